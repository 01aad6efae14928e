;; Answers with the third case of a result that has two.
(data (i32.const 640) "\02")
(func $attack (result i32) (i32.const 640))
