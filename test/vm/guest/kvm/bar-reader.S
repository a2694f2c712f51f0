/*
 * A guest for QEMU's -kernel (multiboot), for what the second stage has of a BAR: it finds BAR 2 of 00:10.0, says `r` on the
 * first serial port, then for each 32-bit count that comes in there (least significant byte first) reads so many times, 2 MiB
 * apart from the BAR's first byte on, and says `d`.
 */
	.code32
	.text
	.balign 4
	.long 0x1badb002, 0, -0x1badb002

	.globl _start
_start:
	mov	$stack, %esp
	mov	$0x80008018, %eax
	call	config
	and	$~0xf, %eax
	mov	%eax, bar
	mov	$0x8000801c, %eax
	call	config
	mov	%eax, bar + 4
	/* the command register: firmware has switched memory on, as a rule */
	mov	$0x80008004, %eax
	call	config
	or	$2, %al
	out	%eax, %dx

	/* two tables of leaves of 1 GiB: the first 512 GiB, and those around the BAR */
	mov	$low, %edi
	xor	%ecx, %ecx
	call	fill
	mov	$around, %edi
	mov	bar + 4, %ecx
	and	$~0x7f, %ecx
	call	fill
	movl	$low + 7, root
	mov	bar + 4, %eax
	shr	$7, %eax
	and	$511, %eax
	jz	1f
	movl	$around + 7, root(,%eax,8)
1:	mov	$root, %eax
	mov	%eax, %cr3
	mov	%cr4, %eax
	or	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx	/* EFER: LME */
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000001, %eax	/* PG, PE */
	mov	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$8, $long

/* a dword of configuration space, by mechanism #1; leaves the data port in dx */
config:
	mov	$0xcf8, %dx
	out	%eax, %dx
	mov	$0xcfc, %dx
	in	%dx, %eax
	ret

/* 512 leaves at edi, from ecx:0 on */
fill:
	mov	$0x87, %eax
	mov	$512, %ebx
1:	mov	%eax, (%edi)
	mov	%ecx, 4(%edi)
	add	$0x40000000, %eax
	adc	$0, %ecx
	add	$8, %edi
	dec	%ebx
	jnz	1b
	ret

	.code64
long:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$'r', %al
	mov	$0x3f8, %edx
	out	%al, %dx
next:
	mov	$4, %ebx
	xor	%ecx, %ecx
1:	mov	$0x3fd, %edx		/* line status: data ready */
	in	%dx, %al
	test	$1, %al
	jz	1b
	mov	$0x3f8, %edx
	in	%dx, %al
	movzx	%al, %eax
	or	%eax, %ecx
	ror	$8, %ecx
	dec	%ebx
	jnz	1b
	mov	$bar, %eax
	mov	(%rax), %rdi
2:	mov	(%rdi), %al
	add	$0x200000, %rdi
	dec	%ecx
	jnz	2b
	mov	$'d', %al
	mov	$0x3f8, %edx
	out	%al, %dx
	jmp	next

	.balign 8
gdt:
	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word	23
	.long	gdt
bar:
	.quad	0

	.bss
	.balign 4096
root:
	.skip	4096
low:
	.skip	4096
around:
	.skip	4096
	.skip	4096
stack:
