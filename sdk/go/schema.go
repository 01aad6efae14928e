package tombolo

// Enterprise is the prefix of the enterprise user extension's attributes (RFC 7643 section 4.3).
const Enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"

// Description is what a connector is made of.
type Description struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Kinds   []Kind `json:"kinds"`
}

// Kind is one kind of object.
type Kind struct {
	Kind       string      `json:"kind"`
	Resource   string      `json:"resource"`
	Endpoint   string      `json:"endpoint,omitempty"`
	Schema     string      `json:"schema,omitempty"`
	Members    []string    `json:"members,omitempty"`
	Attributes []Attribute `json:"attributes"`
}

// Attribute is one attribute of a kind, or one part of a complex attribute.
type Attribute struct {
	Name        string      `json:"name"`
	Type        string      `json:"type"`
	Multi       bool        `json:"multi,omitempty"`
	Required    bool        `json:"required,omitempty"`
	Unique      bool        `json:"unique,omitempty"`
	CaseExact   bool        `json:"caseExact,omitempty"`
	Mutability  string      `json:"mutability,omitempty"`
	To          string      `json:"to,omitempty"`
	Values      []string    `json:"values,omitempty"`
	SCIM        string      `json:"scim,omitempty"`
	Description string      `json:"description,omitempty"`
	Parts       []Attribute `json:"parts,omitempty"`
}

// User is kind `user`, shown as SCIM User.
func User(attributes ...Attribute) Kind {
	return Kind{Kind: "user", Resource: "User", Attributes: attributes}
}

// Group is kind `group`, shown as SCIM Group.
func Group(attributes ...Attribute) Kind {
	return Kind{Kind: "group", Resource: "Group", Attributes: attributes}
}

// Find is the kind of this name; unsupported when there is none.
func (d *Description) Find(name string) (*Kind, error) {
	for at := range d.Kinds {
		if d.Kinds[at].Kind == name {
			return &d.Kinds[at], nil
		}
	}
	return nil, Unsupported("this connector has no objects of kind %q", name)
}

// Attribute is the attribute of this name, or nil.
func (k *Kind) Attribute(name string) *Attribute {
	for at := range k.Attributes {
		if k.Attributes[at].Name == name {
			return &k.Attributes[at]
		}
	}
	return nil
}

// Unique names the first attribute whose values the target holds once; "" when there is none.
func (k *Kind) Unique() string {
	for _, attribute := range k.Attributes {
		if attribute.Unique {
			return attribute.Name
		}
	}
	return ""
}

// Check fails as invalid when a required attribute is missing, one is unknown, or a single one has several values.
func (k *Kind) Check(attributes Attributes) error {
	for _, attribute := range k.Attributes {
		if attribute.Required && len(attributes[attribute.Name]) == 0 {
			return Invalid("%s is required", attribute.Name).Of(attribute.Name)
		}
	}
	for name, values := range attributes {
		known := k.Attribute(name)
		if known == nil {
			return Invalid("there is no attribute %s", name).Of(name)
		}
		if len(values) > 1 && !known.Multi {
			return Invalid("%s has one value at most", name).Of(name)
		}
	}
	return nil
}
