// The runtime package calls functions that have no body in Go.
