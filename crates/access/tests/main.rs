//! Who is let in, against a real ledger.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use access::{Access, AccessError, Identity, NewToken, NewUser, Permission, Role};
use base::Secret;
use base::clock::{Clock, Clocks};
use base::random::SeededRandomness;
use chrono::{DateTime, TimeDelta, Utc};
use ledger::Ledger;

#[derive(Debug)]
struct Hand(std::sync::Mutex<DateTime<Utc>>);

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

struct House {
    access: Access,
    ledger: Ledger,
    hand: Arc<Hand>,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let hand = Arc::new(Hand(std::sync::Mutex::new(DateTime::UNIX_EPOCH)));
    let clocks = Clocks { business: Arc::<Hand>::clone(&hand), machine: Arc::<Hand>::clone(&hand) };
    let randomness = Arc::new(SeededRandomness::new(1));
    let ledger = Ledger::open(&folder.path().join("ledger.db"), clocks, randomness).await.unwrap();
    House { access: Access::new(ledger.clone()), ledger, hand, _folder: folder }
}

fn user(name: &str, roles: &[Role]) -> NewUser {
    let password = Secret::new(format!("{name}-password"));
    NewUser { name: name.to_owned(), password, roles: roles.to_vec() }
}

impl House {
    fn pass(&self, time: TimeDelta) {
        *self.hand.0.lock().unwrap() += time;
    }
}

#[tokio::test]
async fn a_password_lets_in_its_user_alone_and_is_never_kept() {
    let house = house().await;
    let access = &house.access;
    assert!(!access.has_administrator().await.unwrap());
    access.add_user(user("ana", &[Role::Administer])).await.unwrap();
    access.add_user(user("bob", &[Role::Query])).await.unwrap();
    assert!(access.has_administrator().await.unwrap());
    let bob = access.password("bob", "bob-password").await.unwrap();
    assert!(bob.may(Permission::Query) && !bob.may(Permission::Run));
    for (name, password) in [("bob", "ana-password"), ("bob", ""), ("eve", "bob-password")] {
        let refused = access.password(name, password).await.unwrap_err();
        assert!(matches!(refused, AccessError::WrongPassword), "{refused}");
    }
    let kept = house.ledger.user("bob").await.unwrap().unwrap();
    assert!(kept.verifier.starts_with("SCRAM-SHA-256$15000:"), "{}", kept.verifier);
    assert!(!kept.verifier.contains("password"));
}

#[tokio::test]
async fn names_and_passwords_that_clients_would_misread_are_refused() {
    let house = house().await;
    let access = &house.access;
    for name in ["", "a b", "-x", "ana+token", "local", "é", &"x".repeat(65)] {
        let refused = access.add_user(user(name, &[Role::See])).await.unwrap_err();
        assert!(matches!(refused, AccessError::Name { .. }), "{name}: {refused}");
    }
    for password in ["short", "naïve-password", "tab\there-is", &"x".repeat(257)] {
        let password = Secret::new(password.to_owned());
        let new = NewUser { name: "ana".to_owned(), password, roles: vec![Role::See] };
        let refused = access.add_user(new).await.unwrap_err();
        assert!(matches!(refused, AccessError::Password { .. }), "{refused}");
    }
    let made = Access::new_password().unwrap();
    access
        .add_user(NewUser { name: "ana".to_owned(), password: made.clone(), roles: vec![] })
        .await
        .unwrap();
    access.password("ana", made.reveal()).await.unwrap();
    let twice = access.add_user(user("ana", &[])).await.unwrap_err();
    assert!(matches!(twice, AccessError::UserExists { .. }), "{twice}");
}

#[tokio::test]
async fn guessing_is_slowed_down_even_for_the_right_password() {
    let house = house().await;
    house.access.add_user(user("ana", &[Role::See])).await.unwrap();
    for _ in 0..5 {
        house.access.password("ana", "wrong-password").await.unwrap_err();
    }
    let refused = house.access.password("ana", "ana-password").await.unwrap_err();
    assert!(matches!(refused, AccessError::TooManyAttempts { .. }), "{refused}");
    house.access.verifier("ana").await.unwrap_err();
    house.pass(TimeDelta::seconds(5));
    house.access.password("ana", "ana-password").await.unwrap();
}

#[tokio::test]
async fn a_token_may_do_what_both_it_and_its_user_may_do() {
    let house = house().await;
    let access = &house.access;
    access.add_user(user("ana", &[Role::Run])).await.unwrap();
    let new = NewToken {
        user: "ana".to_owned(),
        name: "ci".to_owned(),
        roles: vec![Role::Administer],
        expires_at: Some(DateTime::UNIX_EPOCH + TimeDelta::days(1)),
    };
    let secret = access.create_token(&new).await.unwrap();
    let shown = access.token(secret.reveal()).await.unwrap();
    assert_eq!((shown.name.as_str(), shown.token.as_deref()), ("ana", Some("ci")));
    assert!(shown.may(Permission::Run) && !shown.may(Permission::Administer));
    assert_eq!(access.password("ana", secret.reveal()).await.unwrap(), shown);
    access.password("bob", secret.reveal()).await.unwrap_err();
    assert!(access.verifier("ana+ci").await.unwrap().fits(secret.reveal()));
    assert_eq!(access.authenticated("ana+ci").await.unwrap(), shown);
    house.pass(TimeDelta::days(2));
    access.token(secret.reveal()).await.unwrap_err();
    access.authenticated("ana+ci").await.unwrap_err();
    access.revoke_token("ana", "ci").await.unwrap();
    access.revoke_token("ana", "ci").await.unwrap_err();
    assert_eq!(access.tokens().await.unwrap(), []);
}

#[tokio::test]
async fn a_session_ends_by_time_by_log_out_and_by_a_new_password() {
    let house = house().await;
    let access = &house.access;
    access.add_user(user("ana", &[Role::See])).await.unwrap();
    let ana = access.password("ana", "ana-password").await.unwrap();
    let (first, second) =
        (access.open_session(&ana).await.unwrap(), access.open_session(&ana).await.unwrap());
    assert_eq!(access.session(first.reveal()).await.unwrap(), ana);
    access.close_session(first.reveal()).await.unwrap();
    access.session(first.reveal()).await.unwrap_err();
    access.session(second.reveal()).await.unwrap();
    let changed = Secret::new("another-password".to_owned());
    access.set_password("ana", changed).await.unwrap();
    access.session(second.reveal()).await.unwrap_err();
    let third = access.open_session(&ana).await.unwrap();
    house.pass(TimeDelta::hours(access::SESSION_HOURS));
    access.session(third.reveal()).await.unwrap_err();
}

#[tokio::test]
async fn the_last_administrator_stays_as_long_as_there_are_others() {
    let house = house().await;
    let access = &house.access;
    access.add_user(user("ana", &[Role::Administer])).await.unwrap();
    access.add_user(user("bob", &[Role::See])).await.unwrap();
    let refused = access.remove_user("ana").await.unwrap_err();
    assert!(matches!(refused, AccessError::LastAdministrator { .. }), "{refused}");
    access.set_roles("ana", &[Role::See]).await.unwrap_err();
    access.remove_user("bob").await.unwrap();
    access.remove_user("bob").await.unwrap_err();
    access.remove_user("ana").await.unwrap();
    assert_eq!(access.users().await.unwrap(), []);
    assert_eq!(Identity::local().name, Identity::LOCAL);
}
