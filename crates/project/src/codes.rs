//! Every diagnostic code of this crate's files and graph, one line each. A code is never used for
//! another meaning. E0001 to E0099 belong to the project's files and its graph, E0100 to E0149 to
//! `ingest/*.yml`, `syncs/*.yml` and `features/*.yml`, E0150 to E0159 to `jobs/*.yml`; E0300 to
//! E0349 to Jinja.

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: &str = $code;)*
        /// Code and meaning, in order of code.
        pub const ALL: &[(&str, &str)] = &[$(($code, $meaning)),*];
    };
}

codes! {
    FILE_UNREADABLE = "E0001", "A file of the project is there and refuses to be read.";
    FILE_NOT_TEXT = "E0002", "A file that must be text is not UTF-8.";
    PROJECT_FILE_MISSING = "E0003", "The folder has no dbt_project.yml.";
    YAML_SYNTAX = "E0004", "A YAML file breaks YAML's grammar.";
    YAML_LIMIT = "E0005", "A YAML file is nested too deep or grows too large through aliases.";
    DUPLICATE_KEY = "E0006", "A mapping has one key twice; the last one counts, as in dbt.";
    WRONG_TYPE = "E0007", "A value has another type than its key asks for.";
    UNKNOWN_KEY = "E0008", "A key that nothing reads, most often a typing mistake.";
    MISSING_KEY = "E0009", "A key that must be there is absent.";
    WRONG_VALUE = "E0010", "A value is none of those its key accepts.";
    PACKAGE_MISSING = "E0012", "A package is declared and not installed.";
    PACKAGE_NAME_TAKEN = "E0013", "Two packages have one name.";
    TARGET_MISSING = "E0014", "The profile or its target does not exist.";
    CONNECTION_IGNORED = "E0015", "The connection of profiles.yml is not used: data lives here.";
    DUPLICATE_NODE = "E0016", "Two resources of one kind have one name.";
    DUPLICATE_RELATION = "E0017", "Two nodes would be written to one table.";
    REF_MISSING = "E0018", "A ref names no model, seed or snapshot.";
    REF_DISABLED = "E0019", "A ref names a node that is disabled.";
    REF_AMBIGUOUS = "E0020", "A ref without a package fits nodes of several packages.";
    SOURCE_MISSING = "E0021", "A source or its table is declared nowhere.";
    CYCLE = "E0022", "Nodes depend on each other in a circle.";
    PATCH_WITHOUT_NODE = "E0023", "Properties describe a resource that does not exist.";
    PATCH_TWICE = "E0024", "One resource is described by properties twice.";
    CONFIG_VALUE = "E0025", "A config value is not one that the node understands.";
    TEST_UNKNOWN = "E0026", "A test names a test macro that does not exist.";
    TEST_ARGUMENTS = "E0027", "A test is written in a form that cannot be read.";
    TEST_NAME_TAKEN = "E0028", "Two tests come out with one name.";
    UNSUPPORTED_RESOURCE = "E0029", "A kind of resource that is known and not built yet.";
    UNSUPPORTED_CONFIG = "E0030", "A setting that is accepted and has no effect yet.";
    PRIVATE_REF = "E0031", "A ref reaches a private model from outside its group.";
    CONFIG_PATH_UNUSED = "E0032", "A config path of dbt_project.yml fits no resource.";
    SELECTOR_SYNTAX = "E0033", "A selector breaks the selection grammar.";
    SELECTOR_METHOD = "E0034", "A selector uses a method that does not exist.";
    SELECTOR_EMPTY = "E0035", "A selector fits no node.";
    GRAPH_LIMIT = "E0037", "The project is larger than a named limit allows.";
    JINJA_BLOCK = "E0038", "A Jinja block is opened and not closed, or has no name.";
    MACRO_TWICE = "E0039", "One package defines one macro twice.";
    COMPILE_UNSUPPORTED = "E0040", "A node of this kind has no SQL to compile.";
    GROUP_MISSING = "E0042", "A node names a group that does not exist.";
    DOCS_MISSING = "E0044", "A description names a docs block that does not exist.";
    ENVIRONMENT_NAME = "E0045", "The environment has a name that SQL or a path could not carry.";
    PROTECTED_REF = "E0050", "A ref reaches a model that its package keeps to itself.";
    DEPRECATED = "E0051", "A model is still there after its deprecation date.";
    DEPRECATED_REF = "E0052", "A ref names a model that is, or will be, deprecated.";
    VERSION_REFUSED = "E0053", "A project or package is for another version of dbt.";
    SEMANTIC_MISSING = "E0060", "A metric, filter or tile names something that does not exist.";
    SEMANTIC_CYCLE = "E0061", "Metrics are made of each other in a circle.";
    SEMANTIC_SHAPE = "E0062", "A metric or semantic model cannot be read as it is written.";
    DASHBOARD_FILE = "E0063", "A file in dashboards/ does not describe a dashboard.";
    INGEST_FILE = "E0100", "A file in ingest/ does not describe a source.";
    SYNC_FILE = "E0120", "A file in syncs/ does not describe a sync.";
    FEATURE_FILE = "E0121", "A file in features/ does not describe features.";
    JOB_TWICE = "E0150", "Two jobs have one name.";
    JOB_SCHEDULE = "E0151", "A job's schedule or its time zone means no time.";
    JOB_SELECTION = "E0152", "A job selects with words that fit nothing.";
    JINJA_SYNTAX = "E0300", "A template breaks Jinja's grammar.";
    JINJA_RENDER = "E0301", "A template fails while it renders.";
    JINJA_NAME = "E0302", "A template uses a macro, variable or function that does not exist.";
    JINJA_RAISED = "E0303", "A macro raised an error or a warning of its own.";
    JINJA_LIMIT = "E0304", "A template runs into a named limit.";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_are_unique_and_ordered() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
