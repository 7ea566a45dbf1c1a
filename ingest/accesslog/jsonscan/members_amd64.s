#include "go_asm.h"
#include "textflag.h"

// func matchStrings(marks, text *byte, at, size int, m *member, n int, into *Value) (next, matched int, found uint64)
//
// Goes over the members of a text that begin at `at` or behind it, as long as each has the next of the n expected names and a string
// without escapes, and a comma follows, or a brace, behind which it ends. The marks are the text's. It reads nothing outside of the text
// and the marks.
TEXT ·matchStrings(SB), NOSPLIT, $0-80
	MOVQ marks+0(FP), DI
	MOVQ text+8(FP), SI
	MOVQ at+16(FP), R8
	MOVQ size+24(FP), R9
	MOVQ m+32(FP), R10
	MOVQ n+40(FP), R11
	MOVQ into+48(FP), R12
	LEAQ -32(R9), R13 // a member begins before this
	DECQ R9           // a value ends before this
	XORL BX, BX
	XORL R14, R14 // a bit for each field that was found, of the first 64

next:
	CMPQ BX, R11
	JGE  done
	CMPQ R8, R13
	JGE  done

	// Is it the expected name?
	VMOVDQU (SI)(R8*1), Y0
	VPXOR   member_token(R10), Y0, Y0
	VPTEST  member_mask(R10), Y0
	JNZ     done
	MOVQ    member_length(R10), AX
	TESTQ   AX, AX
	JLE     done

	// Is its value a string?
	LEAQ 1(R8)(AX*1), AX
	CMPB -1(SI)(AX*1), $'"'
	JNE  done

	// Where does it end?
	MOVQ   AX, CX
	SHRQ   $3, CX
	MOVQ   (DI)(CX*1), CX
	MOVL   AX, DX
	ANDL   $7, DX
	SHRXQ  DX, CX, CX
	TZCNTQ CX, CX
	JCS    done
	ADDQ   AX, CX
	CMPQ   CX, R9
	JGE    done
	MOVWLZX (SI)(CX*1), R15
	CMPL   R15, $0x2c22 // a quote and a comma
	JEQ    value
	CMPL   R15, $0x7d22 // a quote and a brace
	JNE    done

value:
	MOVQ  member_field(R10), DX
	TESTQ DX, DX
	JLT   unwanted
	BTSQ  DX, R14
	IMULQ $Value__size, DX
	ADDQ  R12, DX
	MOVL  AX, Value_Start(DX)
	MOVL  CX, Value_End(DX)
	MOVB  $const_String, Value_Kind(DX)
	MOVB  $0, Value_Escaped(DX)

unwanted:
	LEAQ 2(CX), R8
	ADDQ $member__size, R10
	INCQ BX
	CMPL R15, $0x2c22
	JEQ  next

done:
	VZEROUPPER
	MOVQ R8, next+56(FP)
	MOVQ BX, matched+64(FP)
	MOVQ R14, found+72(FP)
	RET
