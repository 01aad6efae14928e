;; Calls the host while it cleans up, when leaving the instance is forbidden.
(import "tombolo:connector/context@1.0.0" "remaining-ms" (func $remaining (result i32)))
(func $attack (result i32) (i32.const 640))
(func (export "cabi_post_tombolo:connector/read@1.0.0#search") (param $answer i32)
  (if (i32.eq (local.get $answer) (i32.const 640)) (then (drop (call $remaining)))))
