//! Users and tokens, for administrators.

use access::{Access, NewToken, NewUser, Permission, Role, Token, User};
use axum::Json;
use axum::extract::{Path, State};
use base::Secret;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Answer, Routes, SharedPlatform};

pub(super) fn routes() -> Routes {
    let administer = Permission::Administer;
    Routes::new()
        .get("/api/v1/users", administer, "all users", users)
        .post("/api/v1/users", administer, "add a user", add_user)
        .delete("/api/v1/users/{user}", administer, "remove a user", remove_user)
        .get("/api/v1/tokens", administer, "all tokens", tokens)
        .post("/api/v1/tokens", administer, "make a token", create_token)
        .delete("/api/v1/tokens/{user}/{name}", administer, "revoke a token", revoke_token)
}

async fn users(State(platform): State<SharedPlatform>) -> Answer<Vec<User>> {
    Ok(Json(platform.access.users().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddUser {
    name: String,
    roles: Vec<Role>,
    /// None: one is made.
    password: Option<String>,
}

async fn add_user(
    State(platform): State<SharedPlatform>,
    Json(new): Json<AddUser>,
) -> Answer<Value> {
    let made = match &new.password {
        Some(_) => None,
        None => Some(Access::new_password()?),
    };
    let password = new.password.map(Secret::new).or_else(|| made.clone());
    let password = password.unwrap_or_else(|| Secret::new(String::new()));
    let name = new.name.clone();
    let new = NewUser { name: new.name, password, roles: new.roles };
    platform.access.add_user(new).await?;
    Ok(Json(json!({"name": name, "password": made.as_ref().map(Secret::reveal)})))
}

async fn remove_user(
    State(platform): State<SharedPlatform>,
    Path(user): Path<String>,
) -> Answer<Value> {
    platform.access.remove_user(&user).await?;
    Ok(Json(json!({"name": user, "status": "removed"})))
}

async fn tokens(State(platform): State<SharedPlatform>) -> Answer<Vec<Token>> {
    Ok(Json(platform.access.tokens().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateToken {
    user: String,
    name: String,
    #[serde(default)]
    roles: Vec<Role>,
    expires_at: Option<DateTime<Utc>>,
}

async fn create_token(
    State(platform): State<SharedPlatform>,
    Json(new): Json<CreateToken>,
) -> Answer<Value> {
    let CreateToken { user, name, roles, expires_at } = new;
    let new = NewToken { user, name, roles, expires_at };
    let secret = platform.access.create_token(&new).await?;
    Ok(Json(json!({"user": new.user, "name": new.name, "token": secret.reveal()})))
}

async fn revoke_token(
    State(platform): State<SharedPlatform>,
    Path((user, name)): Path<(String, String)>,
) -> Answer<Value> {
    platform.access.revoke_token(&user, &name).await?;
    Ok(Json(json!({"user": user, "name": name, "status": "revoked"})))
}
