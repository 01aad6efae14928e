//! One attribute's definition (RFC 7643, section 7).

/// The data types of RFC 7643, section 2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// An `xsd:dateTime`.
    DateTime,
    /// Bytes in base64.
    Binary,
    /// A URI.
    Reference,
    /// An object of sub-attributes.
    Complex,
}

impl Type {
    /// The name as `/Schemas` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Integer => "integer",
            Self::DateTime => "dateTime",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

/// When an attribute may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Mutability {
    /// Only by the server.
    ReadOnly,
    /// At any time.
    #[default]
    ReadWrite,
    /// Once.
    Immutable,
    /// At any time, and never read back.
    WriteOnly,
}

impl Mutability {
    /// The name as `/Schemas` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::ReadWrite => "readWrite",
            Self::Immutable => "immutable",
            Self::WriteOnly => "writeOnly",
        }
    }
}

/// When an attribute is in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Returned {
    /// Whatever was asked for.
    Always,
    /// Whatever was asked for, not.
    Never,
    /// Unless something else was asked for.
    #[default]
    Default,
    /// Only if it was asked for.
    Request,
}

impl Returned {
    /// The name as `/Schemas` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Default => "default",
            Self::Request => "request",
        }
    }
}

/// How far a value has to be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Uniqueness {
    /// Not at all.
    #[default]
    None,
    /// Among the resources of its type.
    Server,
    /// Everywhere.
    Global,
}

impl Uniqueness {
    /// The name as `/Schemas` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
            Self::Global => "global",
        }
    }
}

/// One attribute's definition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "RFC 7643, section 7, has them"
)]
pub struct Attribute {
    /// The name in its canonical spelling.
    pub name: String,
    /// The data type.
    pub kind: Type,
    /// More than one value?
    pub multi_valued: bool,
    /// What a reader of `/Schemas` is told.
    pub description: String,
    /// Has to be present?
    pub required: bool,
    /// Do values differ by case?
    pub case_exact: bool,
    /// When it may be written.
    pub mutability: Mutability,
    /// When it is in an answer.
    pub returned: Returned,
    /// How far a value has to be unique.
    pub uniqueness: Uniqueness,
    /// Suggested values. A value outside of them is accepted (RFC 7643, section 7, leaves that to us).
    pub canonical_values: Vec<String>,
    /// What a reference may point at.
    pub reference_types: Vec<String>,
    /// The parts of a complex attribute.
    pub sub_attributes: Vec<Attribute>,
    /// Listed in `/Schemas`? Some sub-attributes are accepted and kept although Entra's schema reader refuses to
    /// see them advertised (`emails.display`).
    pub advertised: bool,
}

impl Attribute {
    /// An optional, single-valued, readable and writable attribute.
    pub fn new(name: impl Into<String>, kind: Type, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind,
            multi_valued: false,
            description: description.into(),
            required: false,
            // References, binaries and instants have one spelling a value (RFC 7643, section 2.3).
            case_exact: matches!(kind, Type::Reference | Type::Binary | Type::DateTime),
            mutability: Mutability::default(),
            returned: Returned::default(),
            uniqueness: Uniqueness::default(),
            canonical_values: Vec::new(),
            reference_types: Vec::new(),
            sub_attributes: Vec::new(),
            advertised: true,
        }
    }

    /// Text.
    pub fn string(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(name, Type::String, description)
    }

    /// `true` or `false`.
    pub fn boolean(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(name, Type::Boolean, description)
    }

    /// A URI that points at `types`.
    pub fn reference(
        name: impl Into<String>,
        description: impl Into<String>,
        types: &[&str],
    ) -> Self {
        let mut attribute = Self::new(name, Type::Reference, description);
        attribute.reference_types = types.iter().map(ToString::to_string).collect();
        attribute
    }

    /// An object of sub-attributes.
    pub fn complex(
        name: impl Into<String>,
        description: impl Into<String>,
        parts: Vec<Attribute>,
    ) -> Self {
        let mut attribute = Self::new(name, Type::Complex, description);
        attribute.sub_attributes = parts;
        attribute
    }

    /// With any number of values.
    #[must_use]
    pub fn multi(mut self) -> Self {
        self.multi_valued = true;
        self
    }

    /// Has to be present.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Values differ by case.
    #[must_use]
    pub fn case_exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    /// When it may be written.
    #[must_use]
    pub fn mutability(mut self, mutability: Mutability) -> Self {
        self.mutability = mutability;
        self
    }

    /// Written by the server only.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.mutability(Mutability::ReadOnly)
    }

    /// When it is in an answer.
    #[must_use]
    pub fn returned(mut self, returned: Returned) -> Self {
        self.returned = returned;
        self
    }

    /// How far a value has to be unique.
    #[must_use]
    pub fn uniqueness(mut self, uniqueness: Uniqueness) -> Self {
        self.uniqueness = uniqueness;
        self
    }

    /// Suggested values.
    #[must_use]
    pub fn canonical(mut self, values: &[&str]) -> Self {
        self.canonical_values = values.iter().map(ToString::to_string).collect();
        self
    }

    /// Accepted and kept, but not listed in `/Schemas`.
    #[must_use]
    pub fn unadvertised(mut self) -> Self {
        self.advertised = false;
        self
    }

    /// The sub-attribute of that name, whatever its case.
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        named(&self.sub_attributes, name)
    }
}

/// The attribute of that name, whatever its case.
pub(crate) fn named<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// The position of that name, whatever its case.
pub(crate) fn position(attributes: &[Attribute], name: &str) -> Option<usize> {
    attributes
        .iter()
        .position(|attribute| attribute.name.eq_ignore_ascii_case(name))
}
