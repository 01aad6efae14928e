use super::*;
use proptest::prelude::*;

fn table(text: &str) -> Table {
    Table::parse("t.csv", text.as_bytes().to_vec(), b',').expect("a table")
}

fn rows(table: &Table) -> Vec<Vec<String>> {
    table.records().map(|r| table.fields(&r)).collect()
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_column() {
    let table = table("\u{feff}id,name\r\n1,Ana\r\n");
    assert_eq!(table.header(), ["id", "name"]);
    assert!(table.bytes().starts_with(BOM));
}

#[test]
fn records_that_nobody_edits_keep_their_bytes() {
    let mut table = table("id,name,extra\r\n1,\"Ana\",x\r\n2,Bo\r\n\r\n3, Cy ,\"a \"\"b\"\"\"\r\n");
    let two = table.find(0, "2").expect("there");
    table.replace(two, &["2", "B,o"]);
    let text = String::from_utf8(table.bytes().to_vec()).expect("text");
    assert_eq!(
        text,
        "id,name,extra\r\n1,\"Ana\",x\r\n2,\"B,o\"\r\n\r\n3, Cy ,\"a \"\"b\"\"\"\r\n"
    );
}

#[test]
fn an_id_inside_another_field_is_not_found() {
    let table = table("id,note\n1,\"x\n2,forged\"\n\"2\",real\n3,5\" pipe\n");
    let two = table.find(0, "2").expect("there");
    assert_eq!(table.fields(&two), ["2", "real"]);
    assert!(table.find(0, "").is_none());
    assert_eq!(
        table.fields(&table.find(0, "3").expect("there")),
        ["3", "5\" pipe"]
    );
}

#[test]
fn a_last_line_without_an_end_gets_one_before_another_follows() {
    let mut one = table("id,name\n1,Ana");
    one.append(&["2", "Bo"]);
    assert_eq!(one.bytes(), b"id,name\n1,Ana\n2,Bo\n");
    let mut none = table("id,name");
    none.append(&["1", "Ana"]);
    assert_eq!(rows(&none), [["1", "Ana"]]);
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_line() {
    let failure = Table::parse("t.csv", b"id\n1\nJos\xe9\n".to_vec(), b',').expect_err("Latin-1");
    assert!(failure.message.contains("line 3"), "{}", failure.message);
}

proptest! {
    /// The csv crate is the judge of where records and fields are.
    #[test]
    fn records_are_split_as_the_csv_crate_splits_them(text in "[ab,\"\r\n ]{0,60}") {
        let bytes = format!("h\n{text}").into_bytes();
        let table = Table::parse("t.csv", bytes, b',').expect("a table");
        let judge: Vec<Vec<String>> = reader(text.as_bytes(), b',', 64)
            .byte_records()
            .map(|r| r.expect("memory").iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect())
            .collect();
        prop_assert_eq!(rows(&table), judge);
    }

    /// Random edits keep the file equal to a model of it.
    #[test]
    fn random_edits_keep_the_file_equal_to_a_model(
        edits in prop::collection::vec((0u8..3, 0usize..8, "[a,;\"=é\r\n ]{0,6}"), 0..40)
    ) {
        let mut table = Table::new(&["id", "value"], b',');
        let mut model: Vec<[String; 2]> = Vec::new();
        for (what, id, value) in edits {
            let id = format!("k{id}");
            let at = model.iter().position(|r| r[0] == id);
            match (what, at) {
                (0, None) => {
                    table.append(&[&id, &value]);
                    model.push([id, value]);
                }
                (1, Some(at)) => {
                    let record = table.find(0, &id).expect("there");
                    table.replace(record, &[&id, &value]);
                    model[at][1] = value;
                }
                (2, Some(at)) => {
                    let record = table.find(0, &id).expect("there");
                    table.remove(record);
                    model.remove(at);
                }
                _ => prop_assert_eq!(table.find(0, &id).is_some(), at.is_some()),
            }
            let again = Table::parse("t.csv", table.bytes().to_vec(), b',').expect("a table");
            prop_assert_eq!(rows(&again), model.iter().map(|r| r.to_vec()).collect::<Vec<_>>());
        }
    }
}
