;; The same by a table, which no compiler sees through.
(table funcref (elem $attack))
(type $f (func (result i32)))
(func $attack (type $f) (i32.add (call_indirect (type $f) (i32.const 0)) (i32.const 1)))
