;; Computes for ever while the host waits for room.
(func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
  (if (i32.eq (local.get $new) (i32.const 6)) (then (loop $again (br $again))))
  (i32.const 65536))
