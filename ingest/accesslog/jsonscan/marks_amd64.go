package jsonscan

import "golang.org/x/sys/cpu"

var marksAreCheap = cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasBMI2

//go:noescape
func markBlocks(marks, text *byte, blocks int)

//go:noescape
func matchStrings(marks, text *byte, at, size int, m *member, n int, into *Value) (next, matched int, found uint64)
