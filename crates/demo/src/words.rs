//! The words that names, products and complaints are made of.

pub(crate) const FIRST_NAMES: &[&str] = &[
    "Ada", "Ahmed", "Aiko", "Alice", "Amara", "Ana", "Anders", "Arjun", "Astrid", "Bruno",
    "Camille", "Carlos", "Chiara", "Chloe", "Daniel", "Deepa", "Diego", "Elif", "Emil", "Emma",
    "Fatima", "Felix", "Freya", "Grace", "Hana", "Hugo", "Ibrahim", "Ines", "Ivan", "Jonas",
    "Julia", "Kenji", "Lars", "Leila", "Liam", "Lucia", "Mads", "Maria", "Mateo", "Mei", "Mina",
    "Nadia", "Noah", "Nora", "Olga", "Oscar", "Paula", "Priya", "Rafael", "Rosa", "Samir", "Sara",
    "Sofia", "Stefan", "Tara", "Tomas", "Uma", "Victor", "Wei", "Yara", "Yusuf", "Zoe",
];

pub(crate) const LAST_NAMES: &[&str] = &[
    "Adeyemi",
    "Andersen",
    "Bauer",
    "Bernard",
    "Brown",
    "Chen",
    "Costa",
    "Dubois",
    "Eriksson",
    "Evans",
    "Fernandez",
    "Fischer",
    "Garcia",
    "Gupta",
    "Haddad",
    "Hansen",
    "Hoffmann",
    "Ito",
    "Jansen",
    "Johnson",
    "Kaya",
    "Khan",
    "Kim",
    "Kowalski",
    "Kumar",
    "Larsen",
    "Lopez",
    "Martin",
    "Mensah",
    "Meyer",
    "Moreau",
    "Murphy",
    "Nguyen",
    "Novak",
    "Okafor",
    "Oliveira",
    "Patel",
    "Petrov",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Singh",
    "Smith",
    "Suzuki",
    "Tanaka",
    "Taylor",
    "Torres",
    "Wagner",
    "Walker",
    "Wang",
    "Weber",
    "Wilson",
    "Yilmaz",
    "Zhang",
];

pub(crate) const COMPANY_FIRST: &[&str] = &[
    "Alder", "Amber", "Apex", "Arbor", "Atlas", "Basalt", "Beacon", "Birch", "Bluefin", "Cedar",
    "Cinder", "Cobalt", "Copper", "Coral", "Crescent", "Delta", "Dune", "Ember", "Fern", "Flint",
    "Garnet", "Granite", "Harbor", "Hazel", "Heron", "Indigo", "Iris", "Juniper", "Kestrel",
    "Lark", "Linden", "Lumen", "Maple", "Meridian", "Nimbus", "North", "Onyx", "Orchard", "Osprey",
    "Pine", "Quarry", "Quartz", "Raven", "Ridge", "Saffron", "Sierra", "Slate", "Summit", "Tidal",
    "Umber", "Vale", "Vertex", "Willow", "Zephyr",
];

pub(crate) const COMPANY_LAST: &[&str] = &[
    "Analytics",
    "Bank",
    "Clinics",
    "Commerce",
    "Dynamics",
    "Energy",
    "Foods",
    "Freight",
    "Health",
    "Hotels",
    "Insurance",
    "Labs",
    "Logistics",
    "Media",
    "Mobility",
    "Networks",
    "Optics",
    "Partners",
    "Pharma",
    "Retail",
    "Robotics",
    "Software",
    "Studios",
    "Systems",
    "Textiles",
    "Travel",
    "Ventures",
    "Works",
];

pub(crate) const INDUSTRIES: &[&str] = &[
    "software",
    "retail",
    "finance",
    "healthcare",
    "manufacturing",
    "media",
    "logistics",
    "education",
];

/// Country, and the currency its accounts pay in.
pub(crate) const COUNTRIES: &[(&str, &str)] = &[
    ("US", "usd"),
    ("US", "usd"),
    ("US", "usd"),
    ("GB", "gbp"),
    ("DE", "eur"),
    ("DE", "eur"),
    ("FR", "eur"),
    ("NL", "eur"),
    ("ES", "eur"),
    ("SE", "eur"),
    ("CA", "usd"),
    ("AU", "usd"),
    ("IN", "usd"),
    ("BR", "usd"),
    ("JP", "usd"),
    ("SG", "usd"),
    ("IE", "eur"),
    ("PL", "eur"),
];

/// Plan, and its price per seat and month in minor units.
pub(crate) const PLANS: &[(&str, i64)] = &[
    ("free", 0),
    ("starter", 1_900),
    ("team", 4_900),
    ("business", 9_900),
    ("enterprise", 19_900),
];

pub(crate) const ROLES: &[&str] = &["analyst", "engineer", "manager", "marketer", "viewer"];

pub(crate) const CAMPAIGNS: &[&str] =
    &["spring-launch", "webinar-april", "partner-referral", "search-brand", "newsletter"];

pub(crate) const REFERRERS: &[&str] =
    &["https://search.example/", "https://news.example/", "https://blog.example/data"];

/// Event types with their weights added up, so that one draw chooses.
pub(crate) const EVENT_TYPES: &[(&str, &str)] = &[
    ("page_view", "workspace"),
    ("login", "workspace"),
    ("query_run", "sql_editor"),
    ("report_viewed", "reports"),
    ("report_created", "reports"),
    ("dashboard_viewed", "dashboards"),
    ("dashboard_shared", "dashboards"),
    ("export_downloaded", "exports"),
    ("alert_set", "alerts"),
    ("user_invited", "workspace"),
    ("integration_connected", "integrations"),
];

/// Added up in the order of [`EVENT_TYPES`].
pub(crate) const EVENT_WEIGHTS: &[u32] = &[34, 46, 66, 78, 83, 92, 94, 97, 98, 99, 100];

pub(crate) const PLATFORMS: &[&str] = &["web", "web", "web", "mac", "windows", "ios", "android"];

pub(crate) const ANSWERS_GOOD: &[&str] = &[
    "Saves us hours every week",
    "Support was quick, and friendly",
    "The \"alerts\" are exactly what we needed",
    "Easy to roll out to the whole team",
];

pub(crate) const ANSWERS_POOR: &[&str] = &[
    "Exports are slow",
    "Too expensive, compared with others",
    "We miss an integration\nand the mobile app logs us out",
    "The new editor is confusing",
];

pub(crate) const SUBJECTS: &[&str] = &[
    "Cannot export a report",
    "Invoice shows the wrong address",
    "How do we invite guests?",
    "Dashboard loads slowly",
    "Login link expired",
    "Alert was sent twice",
    "Connection to the warehouse fails",
    "Please raise our seat limit",
];

pub(crate) const TICKET_TAGS: &[&str] =
    &["billing", "export", "login", "performance", "onboarding", "integration"];

pub(crate) const LEAD_SOURCES: &[&str] =
    &["Web", "Partner", "Event", "Outbound", "Referral", "Web", "Web"];

pub(crate) const SALES_OWNERS: &[&str] =
    &["Ines Costa", "Jonas Weber", "Mei Tanaka", "Nora Walker", "Samir Haddad", "Tara Evans"];
