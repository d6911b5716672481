(module ;; y[r] += Σ W[r, c]·x[c], four rows and four columns at a time: rows and columns are multiples of four
  ;; product.wasm is what wasmtime.wat2wasm (Python) makes of this text; a test compares the two
  (memory (import "network" "memory") 1)
  (func (export "addProduct")
    (param $matrix i32) (param $rows i32) (param $columns i32) (param $input i32) (param $output i32)
    (local $width i32) (local $last i32) (local $end i32) (local $x i32)
    (local $row1 i32) (local $row2 i32) (local $row3 i32)
    (local $v v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $width (i32.shl (local.get $columns) (i32.const 2)))
    (local.set $last (i32.add (local.get $input) (local.get $width)))
    (local.set $end (i32.add (local.get $output) (i32.shl (local.get $rows) (i32.const 2))))
    (block $done
      (loop $rows
        (br_if $done (i32.ge_u (local.get $output) (local.get $end)))
        (local.set $row1 (i32.add (local.get $matrix) (local.get $width)))
        (local.set $row2 (i32.add (local.get $row1) (local.get $width)))
        (local.set $row3 (i32.add (local.get $row2) (local.get $width)))
        (local.set $a (v128.const f32x4 0 0 0 0))
        (local.set $b (v128.const f32x4 0 0 0 0))
        (local.set $c (v128.const f32x4 0 0 0 0))
        (local.set $d (v128.const f32x4 0 0 0 0))
        (local.set $x (local.get $input))
        (loop $columns
          (local.set $v (v128.load (local.get $x)))
          (local.set $a (f32x4.add (local.get $a) (f32x4.mul (local.get $v) (v128.load (local.get $matrix)))))
          (local.set $b (f32x4.add (local.get $b) (f32x4.mul (local.get $v) (v128.load (local.get $row1)))))
          (local.set $c (f32x4.add (local.get $c) (f32x4.mul (local.get $v) (v128.load (local.get $row2)))))
          (local.set $d (f32x4.add (local.get $d) (f32x4.mul (local.get $v) (v128.load (local.get $row3)))))
          (local.set $matrix (i32.add (local.get $matrix) (i32.const 16)))
          (local.set $row1 (i32.add (local.get $row1) (i32.const 16)))
          (local.set $row2 (i32.add (local.get $row2) (i32.const 16)))
          (local.set $row3 (i32.add (local.get $row3) (i32.const 16)))
          (local.set $x (i32.add (local.get $x) (i32.const 16)))
          (br_if $columns (i32.lt_u (local.get $x) (local.get $last))))
        ;; four sums of four lanes: a transposition, halved at each step
        (local.set $a (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $a) (local.get $b))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $a) (local.get $b))))
        (local.set $c (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c) (local.get $d))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c) (local.get $d))))
        (v128.store (local.get $output)
          (f32x4.add (v128.load (local.get $output))
            (f32x4.add
              (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $c))
              (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $a) (local.get $c)))))
        (local.set $matrix (local.get $row3))
        (local.set $output (i32.add (local.get $output) (i32.const 16)))
        (br $rows)))))
