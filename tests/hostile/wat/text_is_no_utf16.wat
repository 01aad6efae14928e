;; Answers half a surrogate pair.
;; strings: latin1+utf16
(data (i32.const 656) "\01\00\00\00\bc\02\00\00\01\00\00\80")
(data (i32.const 700) "\00\d8")
(func $attack (result i32) (i32.const 640))
