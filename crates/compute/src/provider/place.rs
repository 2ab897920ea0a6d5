//! Where a warehouse's files lie, for DataFusion and for the footer cache.

use datafusion::datasource::object_store::ObjectStoreUrl;
use object_store::path::Path;
use url::Url;

use crate::error::QueryError;

/// The path of a file inside its object store.
pub(super) fn store_path(location: &str) -> Result<Path, QueryError> {
    let inside = match location.split_once("://") {
        Some(("file", path)) => path,
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => location.strip_prefix("file:").unwrap_or(location),
    };
    Path::parse(inside.trim_start_matches('/')).map_err(|error| {
        QueryError::new(
            base::ErrorKind::Corrupt,
            format!("\"{location}\" is no path of a table file: {error}"),
        )
    })
}

/// The object store that holds a file: its scheme and host.
pub(crate) fn store_url(location: &str) -> ObjectStoreUrl {
    Url::parse(location)
        .ok()
        .filter(|url| url.scheme() != "file")
        .and_then(|url| url.host_str().map(|host| format!("{}://{host}", url.scheme())))
        .and_then(|url| ObjectStoreUrl::parse(url).ok())
        .unwrap_or_else(ObjectStoreUrl::local_filesystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_scheme_and_keep_odd_characters() {
        let path = |text: &str| store_path(text).map(|path| path.to_string());
        assert_eq!(path("file:///tmp/a b/é%.parquet"), Ok("tmp/a b/é%.parquet".to_owned()));
        assert_eq!(path("/tmp/x"), Ok("tmp/x".to_owned()));
        assert_eq!(path("s3://bucket/a/b"), Ok("a/b".to_owned()));
    }
}
