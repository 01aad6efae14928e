// Package runtime is what the generated bindings need of memory: room for values that cross the boundary.
package runtime

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"unsafe"
)

// Handle is that of a resource of the host.
type Handle struct{ value int32 }

func MakeHandle(value int32) *Handle { return &Handle{value} }
func (h *Handle) Set(value int32)    { h.value = value }
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}

func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("the handle was given away")
	}
	return h.value
}

func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// Allocate makes room that stays where it is until the pinner lets go.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// Words of 8 bytes are aligned for everything that WIT has.
	made := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(made)
	return made
}

// given is what the host allocated here for arguments and results.
var given runtime.Pinner

// Unpin lets go of what the host allocated, once it has become Go values.
func Unpin() { given.Unpin() }

//go:linkname sbrk runtime.sbrk
func sbrk(n uintptr) unsafe.Pointer

// started: the collector and allocator are there. The adapter of WASI asks for memory before they are.
var started bool

func init() {
	// The collector reads clocks. While the host writes arguments into this instance (cabi_realloc) no import may be
	// called, so it must never start by itself: Collect runs it inside of a call, where it may.
	debug.SetGCPercent(-1)
	started = true
}

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if started {
		made := Allocate(&given, size, align)
		if old != nil {
			copy(unsafe.Slice((*byte)(made), size), unsafe.Slice((*byte)(old), oldSize))
		}
		return made
	}
	room := uintptr(sbrk(size + align))
	return unsafe.Pointer((room + align - 1) &^ (align - 1))
}

// garbage is how much may be allocated between two collections.
const garbage = 4 << 20

var (
	collected uint64
	allocated = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
)

// Collect frees memory if enough has been allocated. Every exported call begins with it.
func Collect() {
	metrics.Read(allocated)
	if now := allocated[0].Value.Uint64(); now-collected > garbage {
		runtime.GC()
		collected = now
	}
}
