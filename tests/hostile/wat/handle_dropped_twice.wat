;; Gives a handle back twice, to free what somebody else holds by then.
(import "tombolo:connector/secrets@1.0.0" "open" (func $open (param i32 i32 i32)))
(import "tombolo:connector/secrets@1.0.0" "[resource-drop]secret" (func $drop (param i32)))
(data (i32.const 700) "api-key")
(func $attack (result i32)
  (call $open (i32.const 700) (i32.const 7) (i32.const 800))
  (call $drop (i32.load (i32.const 804)))
  (call $drop (i32.load (i32.const 804)))
  (i32.const 64))
