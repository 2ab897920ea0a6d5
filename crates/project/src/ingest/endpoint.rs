//! The REST half of the grammar.

use std::time::Duration;

use base::Secret;
use indexmap::IndexMap;

/// An HTTP service.
#[derive(Clone, Debug)]
pub struct RestConnection {
    /// What every path is appended to.
    pub url: String,
    /// How requests prove who asks.
    pub auth: Auth,
    /// Headers of every request.
    pub headers: IndexMap<String, String>,
    /// Time one request may take.
    pub timeout: Duration,
    /// Requests allowed in a time; none for as many as possible.
    pub rate: Option<Rate>,
    /// Tries of one request after the first.
    pub retries: u32,
    /// The user's rules for answers, asked before the built-in ones.
    pub errors: Vec<ErrorRule>,
}

/// How requests prove who asks.
#[derive(Clone, Debug)]
pub enum Auth {
    /// They do not.
    None,
    /// `Authorization: Bearer <token>`.
    Bearer {
        /// The token.
        token: Secret<String>,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret<String>,
    },
    /// A key in a header or a query parameter.
    ApiKey {
        /// Where it goes.
        place: KeyPlace,
        /// Name of the header or parameter.
        name: String,
        /// The key.
        value: Secret<String>,
    },
    /// OAuth 2.0 client credentials: a token is fetched first and again when it is refused.
    Oauth2 {
        /// Where the token is fetched.
        token_url: String,
        /// The client's name.
        client_id: String,
        /// The client's secret.
        client_secret: Secret<String>,
        /// Asked scope.
        scope: Option<String>,
        /// JSONPath in the token's answer to the address that replaces `url`.
        base_url: Option<String>,
    },
}

/// Where an API key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// A header.
    Header,
    /// A query parameter.
    Query,
}

/// So many requests in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub requests: u32,
    /// The time.
    pub per: Duration,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorRule {
    /// HTTP status it is about; none for any that is not 2xx.
    pub status: Option<u16>,
    /// Text the body must hold.
    pub contains: Option<String>,
    /// What to do.
    pub then: ErrorAction,
}

/// What to do about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorAction {
    /// Try again with growing pauses.
    Retry,
    /// Wait as the answer says, then try again.
    RateLimited,
    /// Take it as an empty last page.
    Skip,
    /// The cursor is too old: rows may be missing.
    Lost,
    /// End the stream with an error.
    Stop,
}

/// An endpoint of an HTTP service.
#[derive(Clone, Debug)]
pub struct RestStream {
    /// What is asked.
    pub request: Request,
    /// JSONPath to the records of an answer.
    pub records: String,
    /// How the next page is asked.
    pub paginate: Option<Paginate>,
    /// What is asked on the next load; none to read all again.
    pub incremental: Option<Incremental>,
    /// How deletions are told.
    pub deletes: Option<Deletes>,
    /// The feed to read once the whole list was read.
    pub changes: Option<Changes>,
}

/// One HTTP request; texts may hold `{cursor.start}` and `{cursor.end}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: Method,
    /// Path below the connection's address.
    pub path: String,
    /// Query parameters; one with several values is sent several times.
    pub params: Vec<(String, String)>,
    /// Headers of this request.
    pub headers: IndexMap<String, String>,
    /// JSON body of a `POST`.
    pub body: Option<serde_json::Value>,
}

/// An HTTP method that reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    #[default]
    Get,
    /// `POST`.
    Post,
}

/// How the next page is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Paginate {
    /// Where the next page is.
    pub next: NextPage,
    /// What ends the pages, besides an absent next page.
    pub stop: Option<Condition>,
}

/// Where the next page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextPage {
    /// At an address, absolute or relative, found in the answer.
    Url(ValueFrom),
    /// At the same address with a parameter.
    Cursor {
        /// The parameter's value.
        from: ValueFrom,
        /// The parameter's name.
        param: String,
    },
    /// After so many records.
    Offset {
        /// The parameter's name.
        param: String,
        /// Records of a page.
        size: u64,
        /// The parameter that asks for the size.
        size_param: Option<String>,
    },
    /// Numbered.
    Page {
        /// The parameter's name.
        param: String,
        /// Number of the first page.
        first: u64,
        /// Records of a page; none when only an empty page ends the list.
        size: Option<u64>,
        /// The parameter that asks for the size.
        size_param: Option<String>,
    },
}

/// Where a value is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueFrom {
    /// JSONPath over the answer's body.
    Body(String),
    /// A header; of `Link` the address with `rel="next"`.
    Header(String),
    /// A field of the page's last record: `{last.id}`.
    Last(String),
    /// A field of the page's first record: `{first.id}`.
    First(String),
}

/// A question to a JSON document.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// JSONPath to the value asked about.
    pub path: String,
    /// What must hold for it.
    pub test: ConditionTest,
}

/// What must hold for a value.
#[derive(Clone, Debug, PartialEq)]
pub enum ConditionTest {
    /// It equals this.
    Equals(serde_json::Value),
    /// It is a text with this end.
    EndsWith(String),
}

/// What is asked on the next load.
#[derive(Clone, Debug, PartialEq)]
pub enum Incremental {
    /// Records whose field is at or after the greatest value seen.
    Field {
        /// The field of a record.
        field: String,
        /// Query parameter for the value; none when the request says `{cursor.start}` itself.
        param: Option<String>,
        /// How the value is written in the request.
        format: CursorFormat,
        /// The value for the first load.
        start: Option<String>,
        /// How far to go back behind the greatest value.
        look_back: Duration,
    },
    /// The page's cursor is the state.
    Opaque {
        /// Query parameters sent only without a cursor.
        first: Vec<(String, String)>,
    },
}

/// How a cursor's value is written in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CursorFormat {
    /// As the record has it.
    #[default]
    Verbatim,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// `2026-05-22T14:03:00Z`.
    Rfc3339,
    /// `2026-05-22`.
    Date,
    /// As strftime writes it.
    Strftime(String),
}

/// How deletions are told.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletes {
    /// A record that fulfils the condition says that its row is gone.
    When(Condition),
    /// Another endpoint lists them.
    Endpoint {
        /// What is asked.
        request: Box<Request>,
        /// JSONPath to the records.
        records: String,
        /// How the next page is asked.
        paginate: Option<Paginate>,
        /// Key column and the JSONPath of its value in a record.
        key: IndexMap<String, String>,
    },
    /// What a whole read does not list is gone.
    Missing,
}

/// A feed of changes.
#[derive(Clone, Debug)]
pub struct Changes {
    /// What is asked.
    pub request: Request,
    /// JSONPath to the events of an answer.
    pub records: String,
    /// JSONPath to the row inside an event; none when the event is the row.
    pub record: Option<String>,
    /// Which event comes first.
    pub order: FeedOrder,
    /// The cursor; its field is one of the event.
    pub incremental: Incremental,
    /// How the next page is asked.
    pub paginate: Option<Paginate>,
    /// The condition, over the event, that says the row is gone.
    pub deletes: Option<Condition>,
    /// How long the vendor keeps events.
    pub retention: Option<Duration>,
}

/// Which event of a feed comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedOrder {
    /// The oldest.
    #[default]
    Asc,
    /// The newest.
    Desc,
}
