//! The one list of routes. A route is added together with what it needs, or not at all.

use std::sync::Arc;

use access::Permission;
use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use crate::Platform;
use crate::guard;

/// The platform as handlers take it: `State(platform): State<SharedPlatform>`.
pub type SharedPlatform = Arc<Platform>;

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: whoever reaches the port.
    Open,
    /// Somebody who may.
    Permission(Permission),
}

impl From<Permission> for Needs {
    fn from(permission: Permission) -> Self {
        Self::Permission(permission)
    }
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Starts or makes something.
    Post,
    /// Replaces something.
    Put,
    /// Removes something.
    Delete,
}

impl Method {
    /// The method's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What is known of a route without calling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for one part, `{*name}` for the rest.
    pub path: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// What it is for, in a few words.
    pub about: &'static str,
}

struct Route {
    info: RouteInfo,
    handler: MethodRouter<SharedPlatform>,
}

/// Routes and what each needs.
#[derive(Default)]
pub struct Routes(Vec<Route>);

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

impl Routes {
    /// No routes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A route that reads.
    #[must_use]
    pub fn get<H, T>(
        self,
        path: &'static str,
        needs: impl Into<Needs>,
        about: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, SharedPlatform>,
        T: 'static,
    {
        self.add(Method::Get, path, needs.into(), about, routing::get(handler))
    }

    /// A route that starts or makes something.
    #[must_use]
    pub fn post<H, T>(
        self,
        path: &'static str,
        needs: impl Into<Needs>,
        about: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, SharedPlatform>,
        T: 'static,
    {
        self.add(Method::Post, path, needs.into(), about, routing::post(handler))
    }

    /// A route that replaces something.
    #[must_use]
    pub fn put<H, T>(
        self,
        path: &'static str,
        needs: impl Into<Needs>,
        about: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, SharedPlatform>,
        T: 'static,
    {
        self.add(Method::Put, path, needs.into(), about, routing::put(handler))
    }

    /// A route that removes something.
    #[must_use]
    pub fn delete<H, T>(
        self,
        path: &'static str,
        needs: impl Into<Needs>,
        about: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, SharedPlatform>,
        T: 'static,
    {
        self.add(Method::Delete, path, needs.into(), about, routing::delete(handler))
    }

    /// These routes and those.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Every route, in the order in which they were added.
    pub fn list(&self) -> impl Iterator<Item = RouteInfo> + '_ {
        self.0.iter().map(|route| route.info)
    }

    fn add(
        mut self,
        method: Method,
        path: &'static str,
        needs: Needs,
        about: &'static str,
        handler: MethodRouter<SharedPlatform>,
    ) -> Self {
        self.0.push(Route { info: RouteInfo { method, path, needs, about }, handler });
        self
    }

    /// The router, each route behind its guard.
    pub(crate) fn into_router(self, platform: &SharedPlatform) -> Router<SharedPlatform> {
        let mut router = Router::new();
        for Route { info, handler } in self.0 {
            router = router.route(info.path, guard::behind(handler, info.needs, platform));
        }
        router
    }
}
