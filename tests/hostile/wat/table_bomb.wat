;; Lets a table grow until there is no room.
(table $bomb 1 funcref)
(func $attack (result i32)
  (loop $again
    (br_if $again (i32.ne (table.grow $bomb (ref.null func) (i32.const 4096)) (i32.const -1))))
  (i32.const 64))
