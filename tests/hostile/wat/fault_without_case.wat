;; Fails with a fault that the contract does not know.
(data (i32.const 640) "\01\00\00\00\00\00\00\00\c8")
(func $attack (result i32) (i32.const 640))
