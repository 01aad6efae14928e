//! The functions: their names, and how many arguments each takes.

use super::error::Cause;
use super::node::Node;

/// Makes the enum and the table of names.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident ($($argument:literal),* $(; $optional:literal)* $(;; $rest:literal)?),)*) => {
        /// A function of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Function { $($(#[$doc])* $name,)* }

        impl Function {
            /// All of them, by name.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is written.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The names of its arguments: the required ones, the optional ones, and those that repeat.
            fn signature(self) -> Signature {
                match self {
                    $(Self::$name => Signature {
                        required: &[$($argument),*],
                        optional: &[$($optional),*],
                        repeats: [$($rest)?].as_slice().first().copied(),
                    },)*
                }
            }
        }
    };
}

struct Signature {
    required: &'static [&'static str],
    optional: &'static [&'static str],
    repeats: Option<&'static str>,
}

functions! {
    /// The source and a suffix.
    Append("source", "suffix"),
    /// Roles as JSON texts.
    AppRoleAssignmentsComplex("appRoleAssignments"),
    /// Roles as JSON texts, for targets that replace them.
    AssertiveAppRoleAssignmentsComplex("appRoleAssignments"),
    /// Bits that both numbers have.
    BitAnd("value1", "value2"),
    /// A boolean.
    CBool("expression"),
    /// A point in time.
    CDate("expression"),
    /// The first that is not null.
    Coalesce("source1" ;; "source"),
    /// Base64 of UTF-16.
    ConvertToBase64("source"),
    /// Hexadecimal of UTF-8.
    ConvertToUTF8Hex("source"),
    /// How many values.
    Count("attribute"),
    /// A text.
    CStr("value"),
    /// A date and an interval.
    DateAdd("interval", "value", "dateTime"),
    /// The interval between two dates.
    DateDiff("interval", "date1", "date2"),
    /// A date of Active Directory.
    DateFromNum("value"),
    /// The tenant's default domain.
    DefaultDomain(),
    /// A date in another format.
    FormatDateTime("source", "dateTimeStyles", "inputFormat", "outputFormat"),
    /// A random GUID.
    Guid(),
    /// The attribute is left alone if there is no value.
    IgnoreFlowIfNullOrEmpty("expression"),
    /// One of two values.
    IIF("condition", "valueIfTrue", "valueIfFalse"),
    /// Where a text stands in another.
    InStr("value1", "value2" ; "start" ; "compareType"),
    /// Is it absent?
    IsNull("expression"),
    /// Is it absent or empty?
    IsNullOrEmpty("expression"),
    /// Is it neither absent nor empty?
    IsPresent("expression"),
    /// Is it a text?
    IsString("expression"),
    /// One of several values.
    Item("attribute", "index"),
    /// Texts with a separator between them.
    Join("separator", "source1" ;; "source"),
    /// The first characters.
    Left("string", "numChars"),
    /// How many characters.
    Len("string"),
    /// A part of a text.
    Mid("source", "start", "length"),
    /// Letters without accents.
    NormalizeDiacritics("source"),
    /// The other boolean.
    Not("source"),
    /// The time.
    Now(),
    /// A date for Active Directory.
    NumFromDate("value"),
    /// Words with a capital letter.
    PCase("source" ; "wordSeparators"),
    /// A random text.
    RandomString("length", "minimumNumbers", "minimumSpecialCharacters", "minimumCapital", "minimumLowerCase" ; "charactersToAvoid"),
    /// A value that logs do not show.
    Redact("value"),
    /// Each value once.
    RemoveDuplicates("attribute"),
    /// Parts of a text replaced.
    Replace("source" ; "oldValue" ; "regexPattern" ; "regexGroupName" ; "replacementValue" ; "replacementAttributeName" ; "template"),
    /// The first value that is free.
    SelectUniqueValue("uniqueValueRule1", "uniqueValueRule2" ;; "uniqueValueRule"),
    /// The name of the one role.
    SingleAppRoleAssignment("appRoleAssignments"),
    /// A text in parts.
    Split("source", "delimiter"),
    /// A text without blanks.
    StripSpaces("source"),
    /// A value by key.
    Switch("source", "defaultValue" ;; "key or value"),
    /// Small letters.
    ToLower("source" ; "culture"),
    /// Capital letters.
    ToUpper("source" ; "culture"),
    /// A text without blanks at its ends.
    Trim("source"),
    /// One word of a text.
    Word("string", "wordNumber", "delimiters"),
}

/// Arguments that may be left blank although they come before others that may not.
const MAY_BE_BLANK: [(Function, usize); 2] = [(Function::FormatDateTime, 1), (Function::Switch, 1)];

impl Function {
    /// The function of that name. Case matters, as in Entra.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|function| function.name() == name)
    }

    /// What an argument is called in messages.
    pub(crate) fn argument(self, index: usize) -> &'static str {
        let signature = self.signature();
        let named = signature.required.iter().chain(signature.optional);
        named
            .copied()
            .nth(index)
            .or(signature.repeats)
            .unwrap_or("argument")
    }

    /// The function and its arguments, as documentation has them.
    pub fn usage(self) -> String {
        let signature = self.signature();
        let optional = signature.optional.iter().map(|name| format!("{name}?"));
        let arguments: Vec<String> = signature
            .required
            .iter()
            .map(|name| (*name).to_owned())
            .chain(optional)
            .chain(signature.repeats.map(|_| "…".to_owned()))
            .collect();
        format!("{}({})", self.name(), arguments.join(", "))
    }

    /// What is wrong with these arguments, whatever their values.
    pub(super) fn check(self, arguments: &[Node]) -> Result<(), Cause> {
        let signature = self.signature();
        let least = signature.required.len();
        let most = signature
            .repeats
            .is_none()
            .then_some(least + signature.optional.len());
        // `Guid( )` has no argument, and `Replace(…, )` a blank one at its end.
        let found = arguments.len();
        if found < least || most.is_some_and(|most| found > most) {
            return Err(Cause::Arguments {
                function: self.name(),
                expected: count(least, most),
                found,
            });
        }
        for (index, name) in signature.required.iter().enumerate() {
            let blank = arguments[index] == Node::Absent;
            if blank && !MAY_BE_BLANK.contains(&(self, index)) {
                return Err(Cause::Absent {
                    function: self.name(),
                    number: index + 1,
                    name,
                });
            }
        }
        let misuse = |what| Cause::Misuse {
            function: self.name(),
            what,
        };
        match self {
            Self::Switch if !found.is_multiple_of(2) => Err(misuse(
                "takes a source, a default, and keys with their values: an even number of arguments",
            )),
            Self::Replace if !replaces(arguments) => Err(misuse(
                "needs oldValue with replacementValue or template, or regexPattern with replacementValue or replacementAttributeName",
            )),
            _ => Ok(()),
        }
    }
}

/// Do the arguments of a `Replace` say what to do?
fn replaces(arguments: &[Node]) -> bool {
    let given = |index: usize| {
        arguments
            .get(index)
            .is_some_and(|node| *node != Node::Absent)
    };
    let (old, pattern, group) = (given(1), given(2), given(3));
    let (value, attribute, template) = (given(4), given(5), given(6));
    (old && (value || template)) || (pattern && (value || (group && attribute)))
}

fn count(least: usize, most: Option<usize>) -> String {
    let arguments = |n: usize| format!("{n} argument{}", if n == 1 { "" } else { "s" });
    match most {
        None => format!("at least {}", arguments(least)),
        Some(most) if most == least => arguments(least),
        Some(most) => format!("{least} to {}", arguments(most)),
    }
}
