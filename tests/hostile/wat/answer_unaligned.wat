;; Says that its answer lies at an odd address.
(func $attack (result i32) (i32.const 641))
