;; Crashes when told to clean up after its answer: trapping in drop, as the canonical ABI has it.
(func $attack (result i32) (i32.const 640))
(func (export "cabi_post_tombolo:connector/read@1.0.0#search") (param $answer i32)
  (if (i32.eq (local.get $answer) (i32.const 640)) (then (unreachable))))
