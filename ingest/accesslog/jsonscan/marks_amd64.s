#include "textflag.h"

// func markBlocks(marks, text *byte, blocks int)
//
// Per block of 64 bytes: a bit for each byte that is a quote, a backslash, or at most 0x1f.
TEXT ·markBlocks(SB), NOSPLIT, $0-24
	MOVQ marks+0(FP), DI
	MOVQ text+8(FP), SI
	MOVQ blocks+16(FP), CX

	// VMOVQ, since MOVQ is one of SSE: going from AVX to SSE and back costs hundreds of cycles, more than the marks of a line.
	MOVQ         $0x2222222222222222, AX
	VMOVQ        AX, X0
	VPBROADCASTQ X0, Y0
	MOVQ         $0x5c5c5c5c5c5c5c5c, AX
	VMOVQ        AX, X1
	VPBROADCASTQ X1, Y1
	MOVQ         $0x1f1f1f1f1f1f1f1f, AX
	VMOVQ        AX, X2
	VPBROADCASTQ X2, Y2

next:
	VMOVDQU   (SI), Y3
	VMOVDQU   32(SI), Y4
	VPCMPEQB  Y0, Y3, Y5
	VPCMPEQB  Y0, Y4, Y6
	VPCMPEQB  Y1, Y3, Y7
	VPCMPEQB  Y1, Y4, Y8
	VPOR      Y5, Y7, Y5
	VPOR      Y6, Y8, Y6
	VPMINUB   Y2, Y3, Y7
	VPMINUB   Y2, Y4, Y8
	VPCMPEQB  Y3, Y7, Y7
	VPCMPEQB  Y4, Y8, Y8
	VPOR      Y5, Y7, Y5
	VPOR      Y6, Y8, Y6
	VPMOVMSKB Y5, AX
	VPMOVMSKB Y6, BX
	SHLQ      $32, BX
	ORQ       BX, AX
	MOVQ      AX, (DI)
	ADDQ      $64, SI
	ADDQ      $8, DI
	DECQ      CX
	JNZ       next
	VZEROUPPER
	RET
