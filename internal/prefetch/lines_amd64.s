#include "textflag.h"

// func lines(p unsafe.Pointer, n uintptr)
//
// It goes four lines at a time, the last of them again where there are fewer: how many there are is not foreseeable, and to guess wrong costs more than
// three instructions for a line that is on its way already.
// The lines go to the second-level cache: what is fetched dozens of lookups ahead does not fit into the first.
TEXT ·lines(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ n+8(FP), CX
	LEAQ -1(AX)(CX*1), CX // in the last line

next:
	PREFETCHT1 (AX)
	LEAQ       64(AX), DX
	CMPQ       DX, CX
	CMOVQHI    CX, DX
	PREFETCHT1 (DX)
	LEAQ       128(AX), DX
	CMPQ       DX, CX
	CMOVQHI    CX, DX
	PREFETCHT1 (DX)
	LEAQ       192(AX), DX
	CMPQ       DX, CX
	CMOVQHI    CX, DX
	PREFETCHT1 (DX)
	ADDQ       $256, AX
	CMPQ       AX, CX
	JLS        next
	PREFETCHT1 (CX) // of what begins within a line
	RET

// func line(p unsafe.Pointer)
TEXT ·line(SB), NOSPLIT, $0-8
	MOVQ       p+0(FP), AX
	PREFETCHT1 (AX)
	RET
