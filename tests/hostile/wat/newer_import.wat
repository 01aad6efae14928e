;; Was built against a later contract of this line, and wants what came with it.
(component
  (import "tombolo:connector/telepathy@1.3.0" (instance (export "listen" (func))))
  (instance $nothing)
  (export "tombolo:connector/connector@1.3.0" (instance $nothing))
  (export "tombolo:connector/read@1.3.0" (instance $nothing)))
