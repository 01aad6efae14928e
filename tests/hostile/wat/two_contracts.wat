;; Was built against two contracts at once.
(component
  (instance $nothing)
  (export "tombolo:connector/connector@1.0.0" (instance $nothing))
  (export "tombolo:connector/read@0.1.0" (instance $nothing)))
