;; Writes 64 KiB to the state, for ever the same key: within the quota, and without end.
(import "tombolo:connector/state@1.0.0" "put" (func $put (param i32 i32 i32 i32 i32 i64 i32)))
(data (i32.const 700) "key")
(func $attack (result i32)
  (loop $again
    (call $put (i32.const 700) (i32.const 3) (i32.const 65536) (i32.const 65536) (i32.const 0) (i64.const 0) (i32.const 800))
    (br $again))
  (unreachable))
