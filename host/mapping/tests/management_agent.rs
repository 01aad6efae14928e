//! A management agent's configuration, as MIM and the ECMA host export it, is brought over.

use serde_json::json;
use tombolo_mapping::bring::{Fate, mim};
use tombolo_mapping::expression::Nowhere;
use tombolo_mapping::overrides::{Apply, Choice};
use tombolo_mapping::{Kind, Mapping, References};

const AGENT: &str = r##"<?xml version="1.0" encoding="UTF-8"?>
<saved-ma-configuration version="15.0"><ma-data>
 <id>{1ADABA09-3898-4D08-8134-3DDDA6EB6F91}</id><name>Payroll</name><category>Extensible2</category>
 <schema><dsml:dsml xmlns:dsml="http://www.dsml.org/DSML" xmlns:ms-dsml="http://www.microsoft.com/MMS/DSML">
  <dsml:directory-schema>
   <dsml:class id="person" type="structural"><dsml:name>person</dsml:name>
    <dsml:attribute ref="#uid" required="true"/><dsml:attribute ref="#mail"/></dsml:class>
  </dsml:directory-schema></dsml:dsml></schema>
 <join><join-profile cd-object-type="person"><join-criterion id="{1}"><search mv-object-type="person">
   <attribute-mapping mv-attribute="accountName"><direct-mapping><src-attribute>uid</src-attribute></direct-mapping></attribute-mapping>
 </search></join-criterion></join-profile></join>
 <export-attribute-flow>
  <export-flow-set cd-object-type="person" mv-object-type="person">
   <export-flow cd-attribute="uid" id="{2}" suppress-deletions="true"><direct-mapping><src-attribute>accountName</src-attribute></direct-mapping></export-flow>
   <export-flow cd-attribute="sn" id="{3}"><direct-mapping><src-attribute intrinsic="false">lastName</src-attribute></direct-mapping></export-flow>
   <export-flow cd-attribute="mail" id="{4}" initial-flow-only="true"><direct-mapping><src-attribute>email</src-attribute></direct-mapping></export-flow>
   <export-flow cd-attribute="company" id="{5}"><constant-mapping><constant-value>R &amp; D</constant-value></constant-mapping></export-flow>
   <export-flow cd-attribute="cn" id="{6}"><scripted-mapping><src-attribute>firstName</src-attribute><src-attribute>lastName</src-attribute><script-context>cd.person:cn</script-context></scripted-mapping></export-flow>
   <export-flow cd-attribute="room" id="{7}"><direct-mapping><src-attribute>buildingRoom</src-attribute></direct-mapping></export-flow>
   <export-flow cd-attribute="gone" id="{8}"><direct-mapping><src-attribute>email</src-attribute></direct-mapping></export-flow>
  </export-flow-set>
 </export-attribute-flow>
 <anchor-construction-settings><object-type object-type="person"><attribute>uid</attribute></object-type></anchor-construction-settings>
</ma-data></saved-ma-configuration>"##;

fn kind() -> Kind {
    serde_json::from_value(json!({ "kind": "user", "resource": "User", "attributes": [
        { "name": "uid", "type": "text", "required": true, "unique": true, "scim": "userName" },
        { "name": "sn", "type": "text" }, { "name": "mail", "type": "text" }, { "name": "company", "type": "text" },
        { "name": "cn", "type": "text" }, { "name": "room", "type": "text" } ] }))
    .expect("a kind")
}

#[test]
fn direct_and_constant_flows_come_over_and_programs_are_named() {
    let agent = mim::Agent::read(AGENT).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(agent.objects(), ["person"]);
    assert_eq!(agent.anchors("person"), ["uid"]);
    let brought =
        mim::bring(&agent, "person", Some(&kind())).unwrap_or_else(|error| panic!("{error}"));
    let fate = |name: &str| {
        let note = brought.notes.iter().find(|note| note.attribute == name);
        note.unwrap_or_else(|| panic!("no note on {name}"))
    };
    assert_eq!(fate("sn").fate, Fate::Same);
    assert_eq!(
        fate("cn").text,
        "the rules extension `cd.person:cn` makes it of firstName, lastName: write an expression for it"
    );
    assert_eq!(fate("room").fate, Fate::Look);
    assert_eq!(fate("gone").fate, Fate::Left);
    let mail = brought
        .overrides
        .paths
        .get("emails[type eq \"work\"].value")
        .expect("mail");
    assert_eq!(mail.terms().apply, Apply::Create);
    assert!(matches!(mail, Choice::Direct(direct) if direct.attribute == "mail"));

    let mapping =
        Mapping::new(&kind(), &brought.overrides).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(mapping.matching(), ["userName"]);
    let person = serde_json::from_value(json!({ "userName": "ana", "name": { "familyName": "Ruiz" }, "emails": [{ "type": "work", "value": "ana@x.test" }] })).expect("a person");
    let object = mapping
        .to_new_object(&person, &References::new(), &Nowhere)
        .expect("an object");
    for (name, value) in [
        ("uid", "ana"),
        ("sn", "Ruiz"),
        ("mail", "ana@x.test"),
        ("company", "R & D"),
    ] {
        assert_eq!(object.get(name), [value.into()], "{name}");
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    let billion = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><ma-data><name>&b;</name></ma-data>";
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    for (text, said) in [
        ("", "it is no XML document"),
        ("<a></a>", "it has no `ma-data`"),
        ("<ma-data>", "an element is not closed"),
        ("<ma-data></b>", "at byte"),
        (billion, "b"),
        (deep.as_str(), "nested more than 64 deep"),
    ] {
        let error = mim::Agent::read(text).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
    let agent = mim::Agent::read(AGENT).expect("an agent");
    let error = mim::bring(&agent, "group", None).expect_err("there is none");
    assert_eq!(error.to_string(), "it maps no `group`; it maps `person`");
}
