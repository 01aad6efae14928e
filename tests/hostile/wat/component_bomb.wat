;; Twenty-five components, each made of two of the one before: 33 million instances.
(component
  (component $c0 (core module $m) (core instance (instantiate $m)))
  (component $c1
    (alias outer 1 $c0 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c2
    (alias outer 1 $c1 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c3
    (alias outer 1 $c2 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c4
    (alias outer 1 $c3 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c5
    (alias outer 1 $c4 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c6
    (alias outer 1 $c5 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c7
    (alias outer 1 $c6 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c8
    (alias outer 1 $c7 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c9
    (alias outer 1 $c8 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c10
    (alias outer 1 $c9 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c11
    (alias outer 1 $c10 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c12
    (alias outer 1 $c11 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c13
    (alias outer 1 $c12 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c14
    (alias outer 1 $c13 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c15
    (alias outer 1 $c14 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c16
    (alias outer 1 $c15 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c17
    (alias outer 1 $c16 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c18
    (alias outer 1 $c17 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c19
    (alias outer 1 $c18 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c20
    (alias outer 1 $c19 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c21
    (alias outer 1 $c20 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c22
    (alias outer 1 $c21 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c23
    (alias outer 1 $c22 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (component $c24
    (alias outer 1 $c23 (component $inner))
    (instance (instantiate $inner))
    (instance (instantiate $inner)))
  (instance (instantiate $c24))
  (instance $nothing)
  (export "tombolo:connector/connector@1.0.0" (instance $nothing))
  (export "tombolo:connector/read@1.0.0" (instance $nothing)))
