//! Who gets through which door.

use std::path::Path;

use access::{NewToken, Role};
use serde_json::json;
use server::{Method, Needs, RouteInfo};
use testkit::Http;

use crate::house::House;

/// The part of docs/access.md that is made from the router.
const TABLE: (&str, &str) = ("<!-- routes -->\n", "<!-- end of routes -->");

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The path with something in each of its holes.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn may(role: Option<Role>, needs: Needs) -> bool {
    match needs {
        Needs::Open => true,
        Needs::Permission(needed) => role.is_some_and(|role| role.permissions().contains(&needed)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_exactly_the_roles_it_declares() {
    let house = House::open("").await;
    let mut callers: Vec<(Option<Role>, Http)> = vec![(None, house.http())];
    for role in Role::ALL {
        house.add_user(role.as_str(), &[*role]).await;
        let new = NewToken {
            user: role.to_string(),
            name: "test".to_owned(),
            roles: Vec::new(),
            expires_at: None,
        };
        let token = house.access.create_token(&new).await.unwrap();
        let bearer = format!("Bearer {}", token.reveal());
        callers.push((Some(*role), house.http().with_header("authorization", &bearer)));
    }
    let routes: Vec<RouteInfo> = server::routes().list().collect();
    let called = blocking(move || {
        let mut called = 0;
        for route in &routes {
            for (role, http) in &callers {
                let path = filled(route.path);
                let status = http.status(route.method.as_str(), &path).unwrap();
                let refused = matches!(status, 401 | 403);
                let who = role.map_or("nobody", Role::as_str);
                let method = route.method.as_str();
                let allowed = may(*role, route.needs);
                assert_eq!(!refused, allowed, "{method} {path} as {who}: {status}");
                assert_ne!(status, 405, "{method} {path} is not routed");
                called += 1;
            }
        }
        called
    })
    .await;
    println!("{called} combinations of route and role called");
}

#[test]
fn no_route_is_listed_twice_and_each_says_what_it_is_for() {
    let mut seen = std::collections::BTreeSet::new();
    for route in server::routes().list() {
        assert!(
            seen.insert((route.method, route.path)),
            "{} {}",
            route.method.as_str(),
            route.path
        );
        assert!(!route.about.is_empty() && !route.about.ends_with('.'), "{}", route.path);
        let changes = route.method != Method::Get;
        let session = route.path == "/api/v1/session";
        assert!(!(changes && route.needs == Needs::Open) || session, "{} is open", route.path);
    }
}

#[test]
fn the_table_in_the_docs_is_the_routers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/access.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(TABLE.0).expect("the page marks where the table begins");
    let (table, after) = rest.split_once(TABLE.1).expect("the page marks where the table ends");
    let made = routes_table();
    if std::env::var("INSTA_UPDATE").is_ok_and(|word| word == "always") {
        let page = format!("{before}{}{made}{}{after}", TABLE.0, TABLE.1);
        std::fs::write(&path, page).unwrap();
    } else {
        let help = "run the test with INSTA_UPDATE=always to renew docs/access.md";
        assert!(table == made, "{help}\n{made}");
    }
}

fn routes_table() -> String {
    let mut table = String::from("| route | what for | nobody |");
    for role in Role::ALL {
        table.push_str(&format!(" {role} |"));
    }
    table.push_str("\n| --- | --- | :-: |");
    table.push_str(&" :-: |".repeat(Role::ALL.len()));
    table.push('\n');
    let mut routes: Vec<RouteInfo> = server::routes().list().collect();
    routes.sort_by_key(|route| (route.path, route.method));
    for route in routes {
        let path = format!("{} {}", route.method.as_str(), route.path);
        table.push_str(&format!("| `{path}` | {} |", route.about));
        for role in std::iter::once(None).chain(Role::ALL.iter().copied().map(Some)) {
            table.push_str(if may(role, route.needs) { " yes |" } else { " |" });
        }
        table.push('\n');
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sits_here_may_do_everything_until_there_is_an_administrator() {
    let house = House::open("").await;
    let http = house.http();
    let caller = http.clone();
    let session = blocking(move || caller.get("/api/v1/session").unwrap().json().unwrap()).await;
    assert_eq!((&session["user"], &session["local"]), (&json!("local"), &json!(true)));
    house.add_user("bob", &[Role::See]).await;
    let caller = http.clone();
    assert_eq!(blocking(move || caller.get("/api/v1/project").unwrap().status).await, 200);
    house.add_user("ana", &[Role::Administer]).await;
    let answer = blocking(move || http.get("/api/v1/project").unwrap()).await;
    assert_eq!(answer.status, 401);
    let error = &answer.json().unwrap()["error"];
    assert_eq!((&error["kind"], &error["message"]), (&json!("denied"), &json!("log in first")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_stays_logged_in_and_logs_out() {
    let house = House::open("").await;
    house.add_user("ana", &[Role::Administer]).await;
    let http = house.http();
    blocking(move || {
        let log_in = |password: &str| {
            let body = json!({"user": "ana", "password": password});
            http.post("/api/v1/session", &body).unwrap()
        };
        assert_eq!(log_in("wrong-password").status, 401);
        let answer = log_in("ana-password");
        assert_eq!(answer.status, 200);
        let cookie = answer.header("set-cookie").unwrap();
        for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        let browser = http.clone().with_header("cookie", cookie.split(';').next().unwrap());
        let project = browser.get("/api/v1/project").unwrap();
        assert_eq!(project.json().unwrap()["name"], "shop");
        assert_eq!(project.header("cache-control"), Some("no-store"));
        assert_eq!(browser.send("DELETE", "/api/v1/session", None).unwrap().status, 204);
        assert_eq!(browser.get("/api/v1/project").unwrap().status, 401);
        for _ in 0..6 {
            log_in("wrong-password");
        }
        let late = log_in("ana-password");
        assert_eq!(late.status, 429);
        assert!(late.header("retry-after").is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_page_reaches_nothing_even_under_this_machines_name() {
    let house = House::open("").await;
    let (http, address) = (house.http(), house.address);
    blocking(move || {
        let status = |http: Http| http.get("/api/v1/project").unwrap().status;
        let own = format!("http://{address}");
        assert_eq!(status(http.clone().with_header("origin", &own)), 200);
        assert_eq!(status(http.clone().with_header("origin", "http://evil.example")), 403);
        assert_eq!(status(http.clone().with_header("host", "evil.example")), 403);
        let cross = http.clone().with_header("sec-fetch-site", "cross-site");
        assert_eq!(status(cross), 403);
        // A form cannot say that it sends JSON.
        let form = http.with_header("content-type", "text/plain");
        assert_eq!(form.send("POST", "/api/v1/runs", None).unwrap().status, 415);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_every_route_and_says_where_there_is_nothing() {
    let house = House::open("").await;
    let http = house.http();
    blocking(move || {
        let document = http.get("/api/v1/openapi.json").unwrap().json().unwrap();
        for route in server::routes().list().filter(|route| route.path.starts_with("/api/")) {
            let method = route.method.as_str().to_ascii_lowercase();
            let path = route.path.replace("{*", "{");
            assert!(document["paths"][&path][&method].is_object(), "{method} {path}");
        }
        let nothing = http.get("/api/v1/nothing").unwrap();
        assert_eq!(nothing.status, 404);
        assert_eq!(nothing.json().unwrap()["error"]["kind"], "not_found");
    })
    .await;
    assert_eq!(house.platform.project().name, "shop");
}
