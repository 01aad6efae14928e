;; Reads the same 64 KiB of the state without end.
(import "tombolo:connector/state@1.0.0" "put" (func $put (param i32 i32 i32 i32 i32 i64 i32)))
(import "tombolo:connector/state@1.0.0" "get" (func $get (param i32 i32 i32)))
(data (i32.const 700) "key")
(func $attack (result i32)
  (call $put (i32.const 700) (i32.const 3) (i32.const 0) (i32.const 65536) (i32.const 0) (i64.const 0) (i32.const 800))
  (loop $again
    (call $get (i32.const 700) (i32.const 3) (i32.const 800))
    (br $again))
  (unreachable))
