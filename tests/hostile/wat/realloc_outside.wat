;; Says that there is room for the host's text where its memory has long ended.
(func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
  (if (i32.eq (local.get $new) (i32.const 6)) (then (return (i32.const -16))))
  (i32.const 65536))
