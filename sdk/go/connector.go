package tombolo

// Query asks for one page of the objects that pass the filter (nil: all), after the cursor (empty: from the start).
type Query struct {
	Filter     *Filter
	Attributes []string
	Cursor     string
	Limit      uint32
}

// Page is one page of a listing. An empty cursor ends it; a page may be shorter than the limit and still go on.
type Page struct {
	Entries []*Entry
	Cursor  string
}

// Connector is what every connector can. The host may run each call in a fresh instance: what must live longer belongs
// into the target or into State.
type Connector interface {
	// Describe tells the kinds of object and their attributes. It reaches no target.
	Describe() (*Description, error)
	// Check reaches the target and proves the credentials, without changing anything.
	Check() error
	// Get is the object with this anchor; NotFound when there is none. No names wanted means every attribute.
	Get(kind, anchor string, wanted []string) (*Entry, error)
	// Search is one page, in a stable order. A filter that cannot be answered in full is Unsupported.
	Search(kind string, query Query) (*Page, error)
}

// Writer creates, changes and deletes: the interface `write`.
type Writer interface {
	// Create answers the object as it is now. The request is the same when the host repeats this very create: answer
	// what the first attempt made.
	Create(kind string, attributes Attributes, request string) (*Entry, error)
	// Update applies the edits in order and answers the whole object. Another version than ifVersion (empty: any) is
	// Changed.
	Update(kind, anchor string, edits []Edit, ifVersion, request string) (*Entry, error)
	// Delete fails as NotFound when there is none.
	Delete(kind, anchor, request string) error
}

// Members says who is in a group: the interface `members`.
type Members interface {
	// ListMembers is one page of anchors, in a stable order, and the next cursor.
	ListMembers(group, cursor string, limit uint32) ([]string, string, error)
	// ChangeMembers: adding who is there and removing who is not succeeds; an unknown one to add is Invalid, and nothing
	// is changed.
	ChangeMembers(group string, add, remove []string, request string) error
}

// Changes are what Since answers: entries that changed, anchors that are gone, the next token, whether there is more.
type Changes struct {
	Changed []*Entry
	Gone    []string
	Token   string
	More    bool
}

// Delta tells what has changed since a token (empty: nothing yet, only a token for now): the interface `delta`.
type Delta interface {
	Since(kind, token string, limit uint32) (*Changes, error)
}

var served Connector

// Serve makes this the connector of the component. Call it in an init function.
func Serve(connector Connector) { served = connector }

// Served is the connector, for the packages that the component's exports call.
func Served() Connector { return served }
