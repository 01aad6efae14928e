//! How much one request may ask for.
//!
//! Every reader of this room costs time in proportion to its input; these bounds keep the input, and the recursion
//! over it, in proportion too. The host's file may set them.

/// The bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body. A PATCH that adds 50,000 members has about 5 MiB.
    pub body_bytes: usize,
    /// How deep a body may nest; SCIM needs five levels, a bulk request eight.
    pub json_depth: usize,
    /// Operations of one PATCH. Members within one are not counted.
    pub patch_operations: usize,
    /// Flattened keys (`name.givenName`) of one request. Each may look at every element of its attribute.
    pub flattened_keys: usize,
    /// Elements of one removal that are described without their `value`. Each is compared with all that are there.
    pub described_removals: usize,
    /// How deep the parentheses and brackets of a filter may nest.
    pub filter_depth: usize,
    /// Tests of one filter.
    pub filter_terms: usize,
    /// Names in `attributes` or `excludedAttributes`. Each is compared with every attribute of every resource.
    pub attribute_names: usize,
    /// Operations of one bulk request.
    pub bulk_operations: usize,
    /// Resources on a page when the client names no count.
    pub page_size: u64,
    /// Resources on a page, whatever the client names.
    pub max_page_size: u64,
}

impl Limits {
    /// What applies unless the host's file says otherwise.
    pub const DEFAULT: Self = Self {
        body_bytes: 16 << 20,
        json_depth: 32,
        patch_operations: 2_000,
        flattened_keys: 1_000,
        described_removals: 200,
        filter_depth: 64,
        filter_terms: 500,
        attribute_names: 200,
        bulk_operations: 1_000,
        page_size: 100,
        max_page_size: 1_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
