;; Opens a secret over and over and keeps every handle.
(import "tombolo:connector/secrets@1.0.0" "open" (func $open (param i32 i32 i32)))
(data (i32.const 700) "api-key")
(func $attack (result i32)
  (loop $again
    (call $open (i32.const 700) (i32.const 7) (i32.const 800))
    (br_if $again (i32.load8_u (i32.const 800))))
  (i32.const 64))
