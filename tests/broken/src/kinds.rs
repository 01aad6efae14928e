//! What it describes: an attribute of every type and every rule, so that each check of the kit has something to look at.

use tombolo_sdk::schema::{Kind, parts};

pub(crate) fn people() -> Kind {
    Kind::user()
        .text("login")
        .required()
        .unique()
        .scim("userName")
        .text("label")
        .scim("displayName")
        .text("code")
        .case_exact()
        .scim("externalId")
        .text("remark")
        .boolean("active")
        .scim("active")
        .integer("room")
        .decimal("rate")
        .instant("since")
        .binary("photo")
        .reference("boss", "user")
        .text("tags")
        .multi()
        .complex("addresses", parts().text("kind").text("street"))
        .multi()
        .text("origin")
        .immutable()
        .text("made")
        .read_only()
        .text("pin")
        .write_only()
}

pub(crate) fn groups() -> Kind {
    Kind::group()
        .text("label")
        .required()
        .unique()
        .scim("displayName")
        .text("about")
}
