;; Wants from the host what no host has.
(component
  (import "other:thing/api@1.0.0" (instance (export "launch" (func))))
  (instance $nothing)
  (export "tombolo:connector/connector@1.0.0" (instance $nothing))
  (export "tombolo:connector/read@1.0.0" (instance $nothing)))
