//! Every sample that Microsoft documents for a function of the expression language, by function.
//!
//! From "Reference for writing expressions for attribute mappings in Microsoft Entra ID", table by table. What that page
//! shows without a result is checked for what it says in words.

use jiff::Timestamp;
use tombolo_mapping::expression::{Environment, Expression, Function, Outcome, Value};

/// A sample: an expression, the attributes that it is given, and what it must come to.
struct Sample {
    function: &'static str,
    expression: &'static str,
    given: &'static [(&'static str, &'static str)],
    output: &'static str,
}

const fn sample(
    function: &'static str,
    expression: &'static str,
    given: &'static [(&'static str, &'static str)],
    output: &'static str,
) -> Sample {
    Sample {
        function,
        expression,
        given,
        output,
    }
}

const HIRED: &[(&str, &str)] = &[("StatusHireDate", "2012-03-16-07:00")];
const LATE: &[(&str, &str)] = &[
    ("date1", "8/25/2021 5:41:18 PM"),
    ("date2", "2012-03-16-07:00"),
];
const DAYS: &[(&str, &str)] = &[("date1", "2021-08-24"), ("date2", "2021-08-25")];
const JOHN: &[(&str, &str)] = &[
    ("PreferredFirstName", "John"),
    ("PreferredLastName", "Smith"),
];

const SAMPLES: &[Sample] = &[
    sample(
        "Append",
        r#"Append([userPrincipalName], ".test")"#,
        &[("userPrincipalName", "John.Doe@contoso.com")],
        "John.Doe@contoso.com.test",
    ),
    sample("BitAnd", "BitAnd(&HF, &HF7)", &[], "7"),
    sample(
        "CBool",
        "CBool([attribute1] = [attribute2])",
        &[("attribute1", "x"), ("attribute2", "x")],
        "True",
    ),
    sample(
        "CBool",
        "CBool([attribute1] = [attribute2])",
        &[("attribute1", "x"), ("attribute2", "y")],
        "False",
    ),
    sample(
        "CDate",
        "CDate([StatusHireDate])",
        &[("StatusHireDate", "2020-03-16-07:00")],
        "3/16/2020 7:00:00 AM",
    ),
    sample(
        "CDate",
        r#"CDate("2021-06-30+08:00")"#,
        &[],
        "6/29/2021 4:00:00 PM",
    ),
    sample(
        "CDate",
        r#"CDate("2009-06-15T01:45:30-07:00")"#,
        &[],
        "6/15/2009 8:45:30 AM",
    ),
    sample(
        "Coalesce",
        "Coalesce([mail],[userPrincipalName])",
        &[("userPrincipalName", "John.Doe@contoso.com")],
        "John.Doe@contoso.com",
    ),
    sample(
        "ConvertToBase64",
        r#"ConvertToBase64("Hello world!")"#,
        &[],
        "SABlAGwAbABvACAAdwBvAHIAbABkACEA",
    ),
    sample(
        "ConvertToUTF8Hex",
        r#"ConvertToUTF8Hex("Hello world!")"#,
        &[],
        "48656C6C6F20776F726C6421",
    ),
    sample(
        "CStr",
        "CStr([dn])",
        &[("dn", "cn=Joe,dc=contoso,dc=com")],
        "cn=Joe,dc=contoso,dc=com",
    ),
    sample(
        "DateAdd",
        r#"DateAdd("d", 7, CDate([StatusHireDate]))"#,
        HIRED,
        "3/23/2012 7:00:00 AM",
    ),
    sample(
        "DateAdd",
        r#"DateAdd("d", -10, CDate([StatusHireDate]))"#,
        HIRED,
        "3/6/2012 7:00:00 AM",
    ),
    sample(
        "DateAdd",
        r#"DateAdd("ww", 2, CDate([StatusHireDate]))"#,
        HIRED,
        "3/30/2012 7:00:00 AM",
    ),
    sample(
        "DateAdd",
        r#"DateAdd("m", 10, CDate([StatusHireDate]))"#,
        HIRED,
        "1/16/2013 7:00:00 AM",
    ),
    sample(
        "DateAdd",
        r#"DateAdd("yyyy", 2, CDate([StatusHireDate]))"#,
        HIRED,
        "3/16/2014 7:00:00 AM",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("d", CDate([date1]), CDate([date2]))"#,
        &[("date1", "2021-08-18+08:00"), ("date2", "2021-08-31+08:00")],
        "13",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("d", CDate([date1]), CDate([date2]))"#,
        LATE,
        "-3449",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("ww", CDate([date1]), CDate([date2]))"#,
        LATE,
        "-493",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("m", CDate([date1]), CDate([date2]))"#,
        LATE,
        "-113",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("yyyy", CDate([date1]), CDate([date2]))"#,
        LATE,
        "-9",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("d", CDate([date1]), CDate([date1]))"#,
        &[("date1", "2021-08-31+08:00")],
        "0",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("h", CDate([date1]), CDate([date2]))"#,
        DAYS,
        "24",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("n", CDate([date1]), CDate([date2]))"#,
        DAYS,
        "1440",
    ),
    sample(
        "DateDiff",
        r#"DateDiff("s", CDate([date1]), CDate([date2]))"#,
        DAYS,
        "86400",
    ),
    // The environment's time is 2 July 2021.
    sample(
        "DateDiff",
        HIRES,
        &[("Active", "1"), ("StatusHireDate", "2021-07-05+00:00")],
        "True",
    ),
    sample(
        "DateDiff",
        HIRES,
        &[("Active", "1"), ("StatusHireDate", "2021-08-05+00:00")],
        "False",
    ),
    sample(
        "DateDiff",
        HIRES,
        &[("Active", "0"), ("StatusHireDate", "2021-07-05+00:00")],
        "False",
    ),
    sample(
        "DateFromNum",
        "DateFromNum(129699324000000000)",
        &[],
        "1/1/2012 11:00:00 PM",
    ),
    sample(
        "DateFromNum",
        "DateFromNum([lastLogonTimestamp])",
        &[("lastLogonTimestamp", "129699324000000000")],
        "1/1/2012 11:00:00 PM",
    ),
    sample("DefaultDomain", "DefaultDomain()", &[], "contoso.com"),
    sample(
        "FormatDateTime",
        r#"FormatDateTime([extensionAttribute1], , "yyyyMMddHHmmss.fZ", "yyyy-MM-dd")"#,
        &[("extensionAttribute1", "20150123105347.1Z")],
        "2015-01-23",
    ),
    sample(
        "IgnoreFlowIfNullOrEmpty",
        PREFIX,
        &[("prefix", "3444")],
        "Prof.",
    ),
    sample(
        "IIF",
        r#"IIF([country]="USA",[country],[department])"#,
        &[("country", "USA"), ("department", "Sales")],
        "USA",
    ),
    sample(
        "IIF",
        r#"IIF([country]="USA",[country],[department])"#,
        &[("country", "Spain"), ("department", "Sales")],
        "Sales",
    ),
    sample(
        "IIF",
        r#"IIF([country]="USA",IIF([state]="CA","True","False"),"False")"#,
        &[("country", "USA"), ("state", "CA")],
        "True",
    ),
    sample(
        "IIF",
        r#"IIF([country]="USA",IIF([state]="CA","True","False"),"False")"#,
        &[("country", "USA"), ("state", "NY")],
        "False",
    ),
    sample(
        "IIF",
        r#"IIF([country]="USA","True",IIF([state]="CA","True","False"))"#,
        &[("country", "Spain"), ("state", "CA")],
        "True",
    ),
    // "If the source attribute is empty or null, the condition check fails", whatever it asks.
    sample("IIF", r#"IIF([country]="","Other","fails")"#, &[], "fails"),
    sample(
        "IIF",
        r#"IIF(IsNullOrEmpty([country]),"Other","fails")"#,
        &[],
        "fails",
    ),
    sample(
        "IIF",
        r#"IIF(IsPresent([country]),[country],"Other")"#,
        &[],
        "Other",
    ),
    sample("InStr", r#"InStr("The quick brown fox","quick")"#, &[], "5"),
    sample(
        "InStr",
        r#"InStr("repEated","e",3,vbBinaryCompare)"#,
        &[],
        "7",
    ),
    sample("IsNull", "IsNull([displayName])", &[], "True"),
    sample(
        "IsNull",
        "IsNull([displayName])",
        &[("displayName", "")],
        "False",
    ),
    sample("IsNullOrEmpty", "IsNullOrEmpty([displayName])", &[], "True"),
    sample(
        "IsNullOrEmpty",
        "IsNullOrEmpty([displayName])",
        &[("displayName", "")],
        "True",
    ),
    sample(
        "IsPresent",
        MANAGERS,
        &[("directManager", "Ana"), ("skiplevelManager", "Bo")],
        "Bo",
    ),
    sample(
        "IsString",
        "IsString([displayName])",
        &[("displayName", "Ana")],
        "True",
    ),
    sample("IsString", "IsString(7)", &[], "False"),
    sample(
        "Join",
        r#"Join(", ", "", [surname], [givenName])"#,
        &[("givenName", "John"), ("surname", "Doe")],
        "Doe, John",
    ),
    sample("Left", r#"Left("John Doe", 3)"#, &[], "Joh"),
    sample("Left", r#"Left("John Doe", 0)"#, &[], ""),
    sample("Left", r#"Left("John Doe", -1)"#, &[], "John Doe"),
    sample("Left", r#"Left("John Doe", 100)"#, &[], "John Doe"),
    sample("Left", "Left([absent], 3)", &[], ""),
    sample(
        "Mid",
        "Append(Mid([givenName], 1, 3), Mid([surname], 1, 5))",
        &[("givenName", "John"), ("surname", "Doe")],
        "JohDoe",
    ),
    sample(
        "NormalizeDiacritics",
        "NormalizeDiacritics([givenName])",
        &[("givenName", "Zoë")],
        "Zoe",
    ),
    sample("Not", r#"Not("True")"#, &[], "False"),
    sample("Not", r#"Not("False")"#, &[], "True"),
    sample("Now", "Now()", &[], "7/2/2021 3:33:38 PM"),
    sample(
        "NumFromDate",
        CONTRACT,
        &[("ContractEndDate", "2020-12-31-08:00")],
        "132539615990000000",
    ),
    sample(
        "NumFromDate",
        ENDS,
        &[("endDate", "12/31/2020 05:00:00 PM")],
        "132539615990000000",
    ),
    sample(
        "PCase",
        "PCase([firstName])",
        &[("firstName", "PABLO GONSALVES (SECOND)")],
        "Pablo Gonsalves (Second)",
    ),
    sample(
        "PCase",
        r#"PCase([lastName]," '-")"#,
        &[("lastName", "PINTO-DE'SILVA")],
        "Pinto-De'Silva",
    ),
    sample(
        "PCase",
        r#"PCase(Join(" ",[firstName],[lastName]))"#,
        &[("firstName", "GREGORY"), ("lastName", "JAMES")],
        "Gregory James",
    ),
    sample(
        "Redact",
        "Redact([userPrincipalName])",
        &[("userPrincipalName", "ana@contoso.com")],
        "ana@contoso.com",
    ),
    sample(
        "Redact",
        r#"Redact("StringToBeRedacted")"#,
        &[],
        "StringToBeRedacted",
    ),
    sample(
        "Replace",
        r#"Replace([BusinessTitle],"Product Developer", , , "Software Engineer", , )"#,
        &[("BusinessTitle", "Product Developer")],
        "Software Engineer",
    ),
    sample(
        "Replace",
        r#"Replace([UserID],"<username>", , , , , "<username>@contoso.com")"#,
        &[("UserID", "jsmith")],
        "jsmith@contoso.com",
    ),
    sample(
        "Replace",
        r#"Replace([telephoneNumber], , "\\+(?<isdCode>\\d* )(?<phoneNumber>\\d{10})", , "${phoneNumber}", , )"#,
        &[("telephoneNumber", "+91 9998887777")],
        "9998887777",
    ),
    // The page shows it without its `+`, which the pattern does not have.
    sample(
        "Replace",
        r#"Replace([mobile], , "[()\\s-]+", , "", , )"#,
        &[("mobile", "+1 (999) 888-7777")],
        "+19998887777",
    ),
    sample(
        "Replace",
        r#"Replace([AddressLineData], ,"(?<streetNumber>^\\d*)","streetNumber", "888", , )"#,
        &[("AddressLineData", "545 Tremont Street")],
        "888 Tremont Street",
    ),
    sample(
        "Replace",
        r#"Replace([userPrincipalName], , "(?<Suffix>@(.)*)", "Suffix", "", , )"#,
        &[("userPrincipalName", "jsmith@contoso.com")],
        "jsmith",
    ),
    sample(
        "Replace",
        PHONE,
        &[("telephoneNumber", ""), ("mobile", "+91 8887779999")],
        "8887779999",
    ),
    sample(
        "Replace",
        PHONE,
        &[("telephoneNumber", "+1 555"), ("mobile", "+91 8887779999")],
        "+1 555",
    ),
    sample(
        "Replace",
        r#"Replace([mailNickname], , "[a-zA-Z_]*", , "", , )"#,
        &[("mailNickname", "john_doe72")],
        "72",
    ),
    sample(
        "Replace",
        r#"Replace([mail], "@contoso.com", , ,"", ,)"#,
        &[("mail", "john.doe@contoso.com")],
        "john.doe",
    ),
    // The page's own output belongs to another object id than the one that it shows.
    sample(
        "ConvertToUTF8Hex",
        r#"Join("", 1000, Replace(ConvertToUTF8Hex([objectId]), , "[a-zA-Z_]*", , "", , ))"#,
        &[("objectId", "00aa-2dd")],
        "1000303061612326464",
    ),
    sample("SelectUniqueValue", UNIQUE, JOHN, "Jo.Smith@contoso.com"),
    sample(
        "StripSpaces",
        "StripSpaces([name])",
        &[("name", " a b  c ")],
        "abc",
    ),
    sample(
        "Switch",
        r#"Switch([state], "Australia/Sydney", "NSW", "Australia/Sydney","QLD", "Australia/Brisbane", "SA", "Australia/Adelaide")"#,
        &[("state", "QLD")],
        "Australia/Brisbane",
    ),
    sample(
        "Switch",
        r#"Switch([state], "Australia/Sydney", "NSW", "Australia/Sydney","QLD", "Australia/Brisbane", "SA", "Australia/Adelaide")"#,
        &[("state", "qld")],
        "Australia/Sydney",
    ),
    sample(
        "Switch",
        r#"Switch(ToLower([statusFlag]), "0", "true", "1", "false", "0")"#,
        &[("statusFlag", "TRUE")],
        "1",
    ),
    sample(
        "Switch",
        r#"Switch([statusFlag], "Default Value", "true", "1", "", "0")"#,
        &[],
        "0",
    ),
    sample(
        "Switch",
        r#"Switch([country],[country],"","Other")"#,
        &[],
        "Other",
    ),
    sample(
        "Switch",
        r#"Switch([country],[country],"","Other")"#,
        &[("country", "Spain")],
        "Spain",
    ),
    sample(
        "ToLower",
        r#"ToLower(Join("@", NormalizeDiacritics(StripSpaces(Join(".",  [PreferredFirstName], [PreferredLastName]))), "contoso.com"))"#,
        JOHN,
        "john.smith@contoso.com",
    ),
    sample(
        "ToUpper",
        r#"ToUpper([PreferredLastName], "en-US")"#,
        JOHN,
        "SMITH",
    ),
    sample("Trim", "Trim([name])", &[("name", "  Ana ")], "Ana"),
    sample("Len", "Len([name])", &[("name", "Zoë")], "3"),
    sample("Word", r#"Word("The quick brown fox",3," ")"#, &[], "brown"),
    sample(
        "Word",
        r#"Word("This,string!has&many separators",3,",!&#")"#,
        &[],
        "has",
    ),
    sample("Word", r#"Word("The quick brown fox",0," ")"#, &[], ""),
    sample("Word", r#"Word("The quick brown fox",9," ")"#, &[], ""),
    sample("Word", r#"Word([absent],1," ")"#, &[], ""),
    sample(
        "SingleAppRoleAssignment",
        "SingleAppRoleAssignment([appRoleAssignments])",
        &[("appRoleAssignments", "Admin")],
        "Admin",
    ),
];

const HIRES: &str = r#"Switch([Active], , 
  "1", IIF(DateDiff("d", Now(), CDate([StatusHireDate])) > 5, "False", "True"), 
  "0", "False")"#;
const PREFIX: &str = r#"IgnoreFlowIfNullOrEmpty(Switch([prefix], "", "3443", "Dr.", "3444", "Prof.", "3445", "Prof. Dr."))"#;
const MANAGERS: &str = "Switch(IsPresent([directManager]),[directManager], IsPresent([skiplevelManager]),[skiplevelManager], IsPresent([director]),[director])";
const CONTRACT: &str = r#"NumFromDate(Join("", FormatDateTime([ContractEndDate], ,"yyyy-MM-ddzzz", "yyyy-MM-dd"), " 23:59:59-08:00"))"#;
const ENDS: &str = r#"NumFromDate(Join("",FormatDateTime([endDate], ,"M/d/yyyy hh:mm:ss tt","yyyy-MM-dd")," 23:59:59-08:00"))"#;
const PHONE: &str = r#"Replace([telephoneNumber], , "\\+(?<isdCode>\\d* )(?<phoneNumber>\\d{10})", "phoneNumber" , , [mobile], )"#;
const UNIQUE: &str = r#"SelectUniqueValue( 
    Join("@", NormalizeDiacritics(StripSpaces(Join(".",  [PreferredFirstName], [PreferredLastName]))), "contoso.com"), 
    Join("@", NormalizeDiacritics(StripSpaces(Join(".",  Mid([PreferredFirstName], 1, 1), [PreferredLastName]))), "contoso.com"),
    Join("@", NormalizeDiacritics(StripSpaces(Join(".",  Mid([PreferredFirstName], 1, 2), [PreferredLastName]))), "contoso.com"))"#;

/// The page's time, and a target that has the first two Smiths.
struct Documented;

impl Environment for Documented {
    fn now(&self) -> Option<Timestamp> {
        "2021-07-02T15:33:38Z".parse().ok()
    }
    fn random(&self, _: &str, number: u64) -> Option<u64> {
        // A splitmix64 of the number.
        let mut z = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(z ^ (z >> 31))
    }
    fn is_free(&self, _: &str, value: &str) -> Option<bool> {
        Some(!["John.Smith@contoso.com", "J.Smith@contoso.com"].contains(&value))
    }
    fn default_domain(&self) -> Option<&str> {
        Some("contoso.com")
    }
}

fn value_of(expression: &str, read: impl Fn(&str) -> Value) -> Value {
    let parsed =
        Expression::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    match parsed.evaluate("", &read, &Documented) {
        Ok(Outcome::Value(value)) => value,
        Ok(Outcome::Ignored) => Value::text("(ignored)"),
        Err(error) => panic!("{expression}: {error}"),
    }
}

fn text_of(expression: &str) -> String {
    let value = value_of(expression, |_| Value::Null);
    value.to_text().expect("a text").into_owned()
}

fn many(texts: &[&str]) -> Value {
    Value::Many(texts.iter().copied().map(Value::from).collect())
}

#[test]
fn the_documented_sample_of_every_function_passes() {
    let mut wrong = Vec::new();
    for sample in SAMPLES {
        let read = |name: &str| {
            let found = sample.given.iter().find(|(given, _)| *given == name);
            found.map_or(Value::Null, |(_, text)| Value::text(*text))
        };
        let value = value_of(sample.expression, read);
        let text = value.to_text().map(std::borrow::Cow::into_owned);
        if text.as_deref() != Some(sample.output) {
            wrong.push(format!(
                "{}: {} is {text:?}, not {:?}",
                sample.function, sample.expression, sample.output
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The functions whose samples are lists, random, or nothing have tests of their own below.
#[test]
fn no_function_is_without_a_sample() {
    let elsewhere = [
        "AppRoleAssignmentsComplex",
        "AssertiveAppRoleAssignmentsComplex",
        "Count",
        "Guid",
        "Item",
        "RandomString",
        "RemoveDuplicates",
        "Split",
    ];
    for function in Function::ALL {
        let name = function.name();
        assert!(
            SAMPLES.iter().any(|sample| sample.function == name) || elsewhere.contains(&name),
            "{name} has no sample"
        );
    }
}

#[test]
fn split_count_item_and_remove_duplicates() {
    let permissions = |_: &str| Value::text("PermissionSetOne, PermissionSetTwo");
    let split = value_of(r#"Split([extensionAttribute5], ",")"#, permissions);
    assert!(split == many(&["PermissionSetOne", "PermissionSetTwo"]));
    let addresses = |_: &str| many(&["SMTP:a@x.test", "smtp:b@x.test", "SMTP:a@x.test"]);
    assert!(value_of("Count([proxyAddresses])", addresses) == Value::Integer(3));
    assert!(value_of("Item([proxyAddresses], 1)", addresses) == Value::from("SMTP:a@x.test"));
    assert!(value_of("Item([proxyAddresses], 4)", addresses) == Value::Null);
    let unique = value_of("RemoveDuplicates([proxyAddresses])", addresses);
    assert!(unique == many(&["SMTP:a@x.test", "smtp:b@x.test"]));
    // A list is joined value by value.
    let joined = value_of(r#"Join(";", [proxyAddresses], "x")"#, addresses);
    assert!(joined == Value::from("SMTP:a@x.test;smtp:b@x.test;SMTP:a@x.test;x"));
}

#[test]
fn ignore_flow_if_null_or_empty() {
    let expression =
        Expression::parse("IgnoreFlowIfNullOrEmpty([department])").expect("an expression");
    for absent in [Value::Null, Value::text("")] {
        let outcome = expression.evaluate("", &|_| absent.clone(), &Documented);
        assert_eq!(outcome, Ok(Outcome::Ignored));
    }
    let prefix = Expression::parse(PREFIX).expect("an expression");
    let unknown = prefix.evaluate("", &|_| Value::text("1"), &Documented);
    assert_eq!(unknown, Ok(Outcome::Ignored));
}

#[test]
fn coalesce_comes_to_null_or_to_its_default() {
    assert!(value_of("Coalesce([a], [b])", |_| Value::Null) == Value::Null);
    assert!(value_of(r#"Coalesce([a], [b], "")"#, |_| Value::Null) == Value::from(""));
}

#[test]
fn guid_is_a_random_guid() {
    let guid = text_of("Guid()");
    let parts: Vec<usize> = guid.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{guid}");
    assert!(guid.chars().all(|c| c == '-' || c.is_ascii_hexdigit()));
    assert_eq!(guid.as_bytes()[14], b'4', "{guid}");
}

#[test]
fn random_string_has_what_is_asked_for() {
    let count = |text: &str, class: fn(char) -> bool| text.chars().filter(|c| class(*c)).count();
    let plain = text_of("RandomString(6,3,0,0,3)");
    assert_eq!(plain.len(), 6);
    assert_eq!(count(&plain, |c| c.is_ascii_digit()), 3, "{plain}");
    assert_eq!(count(&plain, |c| c.is_ascii_lowercase()), 3, "{plain}");
    let special = text_of(r#"RandomString(10,2,2,2,1,"?,")"#);
    assert_eq!(special.chars().count(), 10);
    assert!(count(&special, |c| c.is_ascii_digit()) >= 2, "{special}");
    assert!(
        count(&special, |c| c.is_ascii_punctuation()) >= 2,
        "{special}"
    );
    assert!(
        count(&special, |c| c.is_ascii_uppercase()) >= 2,
        "{special}"
    );
    assert!(
        count(&special, |c| c.is_ascii_lowercase()) >= 1,
        "{special}"
    );
    assert!(!special.contains(['?', ',']), "{special}");
    assert!(
        Expression::parse("Redact(RandomString(6,3,0,0,3))")
            .expect("an expression")
            .is_redacted()
    );
}

#[test]
fn select_unique_value_gives_up_when_all_are_taken() {
    let expression = r#"SelectUniqueValue("John.Smith@contoso.com", "J.Smith@contoso.com")"#;
    let error = Expression::parse(expression)
        .expect("an expression")
        .evaluate("", &|_| Value::Null, &Documented)
        .expect_err("both are taken");
    assert_eq!(
        error.to_string(),
        "`SelectUniqueValue` at character 1: each of the values is taken already"
    );
}

#[test]
fn roles_are_what_entra_makes_of_them() {
    let one = value_of("AppRoleAssignmentsComplex([appRoleAssignments])", |_| {
        many(&["Admin"])
    });
    assert!(one == many(&[r#"{"value":"Admin","displayName":"Admin"}"#]));
    let two = value_of(
        "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])",
        |_| many(&["A", "B"]),
    );
    assert_eq!(two.each().len(), 2);
    let json = |_: &str| Value::text(r#"{"id":"1","value":"Admin","displayName":"An admin"}"#);
    assert!(
        value_of("SingleAppRoleAssignment([appRoleAssignments])", json) == Value::from("Admin")
    );
}

/// Microsoft's table, row by row.
#[test]
fn normalize_diacritics_knows_the_whole_table() {
    let rows = [
        ("ä à â ã å á ą ă ā ā́ ā̀ ā̂ ā̃ ǟ ā̈ ǡ a̱ å̄", "a"),
        ("Ä À Â Ã Å Á Ą Ă Ā Ā́ Ā̀ Ā̂ Ā̃ Ǟ Ā̈ Ǡ A̱ Å̄", "A"),
        ("æ ǣ", "ae"),
        ("Æ Ǣ", "AE"),
        ("ç č ć c̄ c̱", "c"),
        ("Ç Č Ć C̄ C̱", "C"),
        ("ď d̄ ḏ", "d"),
        ("Ď D̄ Ḏ", "D"),
        ("ë è é ê ę ě ė ē ḗ ḕ ē̂ ē̃ ê̄ e̱ ë̄ e̊̄", "e"),
        ("Ë È É Ê Ę Ě Ė Ē Ḗ Ḕ Ē̂ Ē̃ Ê̄ E̱ Ë̄ E̊̄", "E"),
        ("ğ ḡ g̱", "g"),
        ("Ğ Ḡ G̱", "G"),
        ("ï î ì í ı ī ī́ ī̀ ī̂ ī̃ i̱", "i"),
        ("Ï Î Ì Í İ Ī Ī́ Ī̀ Ī̂ Ī̃ I̱", "I"),
        ("ľ ł l̄ ḹ ḻ", "l"),
        ("Ł Ľ L̄ Ḹ Ḻ", "L"),
        ("ñ ń ň n̄ ṉ", "n"),
        ("Ñ Ń Ň N̄ Ṉ", "N"),
        ("ö ò ő õ ô ó ō ṓ ṑ ō̂ ō̃ ȫ ō̈ ǭ ȭ ȱ o̱", "o"),
        ("Ö Ò Ő Õ Ô Ó Ō Ṓ Ṑ Ō̂ Ō̃ Ȫ Ō̈ Ǭ Ȭ Ȱ O̱", "O"),
        ("ø ø̄ œ̄", "oe"),
        ("Ø Ø̄ Œ̄", "OE"),
        ("ř r̄ ṟ ṝ", "r"),
        ("Ř R̄ Ṟ Ṝ", "R"),
        ("ß", "ss"),
        ("š ś ș ş s̄ s̱", "s"),
        ("Š Ś Ș Ş S̄ S̱", "S"),
        ("ť ț t̄ ṯ", "t"),
        ("Ť Ț T̄ Ṯ", "T"),
        ("ü ù û ú ů ű ū ū́ ū̀ ū̂ ū̃ u̇̄ ǖ ṻ ṳ̄ u̱", "u"),
        ("Ü Ù Û Ú Ů Ű Ū Ū́ Ū̀ Ū̂ Ū̃ U̇̄ Ǖ Ṻ Ṳ̄ U̱", "U"),
        ("ÿ ý ȳ ȳ́ ȳ̀ ȳ̃ y̱", "y"),
        ("Ÿ Ý Ȳ Ȳ́ Ȳ̀ Ȳ̃ Y̱", "Y"),
        ("ź ž ż z̄ ẕ", "z"),
        ("Ź Ž Ż Z̄ Ẕ", "Z"),
    ];
    for (letters, plain) in rows {
        for letter in letters.split(' ') {
            let text = value_of("NormalizeDiacritics([x])", |_| Value::text(letter));
            assert!(
                text == Value::from(plain),
                "{letter} is {:?}",
                text.to_text()
            );
        }
    }
    // What is not in it stays, and other scripts keep their marks.
    for kept in ["đ", "й", "が", "日本", "x"] {
        assert!(
            value_of("NormalizeDiacritics([x])", |_| Value::text(kept)) == Value::from(kept),
            "{kept}"
        );
    }
}
