package jsonscan

import "golang.org/x/sys/cpu"

var marksAreCheap = cpu.X86.HasAVX2

//go:noescape
func markBlocks(marks *uint64, text *byte, blocks int)
