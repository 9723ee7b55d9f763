// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"reflect"
	"unsafe"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// attributes puts attributes into a map that is empty at first, each key once.
//
// The public way costs a search of the map and an allocation for each attribute,
// which makes three quarters of a span's cost. With a layout the attributes of a
// map are made in three allocations together and handed to it by finish; what
// the map holds is the same.
type attributes struct {
	m      pcommon.Map
	layout *layout // nil is the public way
	all    []keyValue
	texts  []string // boxes that are free
	nums   []int64

	textCount, numCount int // boxes in use
}

// keyValue is pdata's own KeyValue: a key, an interface value, which is the type
// of a box and the box, and a number for profiles. A box is a struct that holds a
// text or a number and nothing else.
type keyValue struct {
	key      string
	typ, box unsafe.Pointer
	strindex int32
}

// layout holds the types of pdata's boxes.
type layout struct {
	text, num, flag, real unsafe.Pointer
}

// The boxes allocated at a time when those foreseen do not suffice.
const moreBoxes = 8

// newLayout returns the layout of the pdata that is linked in, or nil if that is
// not the one that keyValue follows: each type on the way is compared, so that
// another pdata makes spans slower and not wrong.
func newLayout() *layout {
	m := pcommon.NewMap()
	m.PutStr("text", "x")
	m.PutInt("num", 1)
	m.PutBool("flag", true)
	m.PutDouble("real", 1)
	mt := reflect.TypeOf(m)
	if mt.Kind() != reflect.Struct || mt.NumField() != 2 || mt.Field(0).Type.Kind() != reflect.Pointer ||
		mt.Field(0).Type.Elem().Kind() != reflect.Slice || !isKeyValue(mt.Field(0).Type.Elem().Elem()) {
		return nil
	}
	orig := reflect.ValueOf(m).Field(0).Elem()
	for i, kind := range []reflect.Kind{reflect.String, reflect.Int64, reflect.Bool, reflect.Float64} {
		box := orig.Index(i).Field(1).Field(0).Elem().Type() // a pointer to a struct of one field
		if box.Kind() != reflect.Pointer || box.Elem().Kind() != reflect.Struct || box.Elem().NumField() != 1 ||
			box.Elem().Field(0).Type.Kind() != kind {
			return nil
		}
	}
	all := *entries(&m)
	return &layout{text: all[0].typ, num: all[1].typ, flag: all[2].typ, real: all[3].typ}
}

// isKeyValue reports whether t is laid out as keyValue.
func isKeyValue(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t.NumField() != 3 || t.Size() != unsafe.Sizeof(keyValue{}) {
		return false
	}
	key, value, strindex := t.Field(0), t.Field(1), t.Field(2)
	return key.Type.Kind() == reflect.String && key.Offset == 0 &&
		value.Offset == unsafe.Offsetof(keyValue{}.typ) && value.Type.Kind() == reflect.Struct &&
		value.Type.NumField() == 1 && value.Type.Field(0).Type.Kind() == reflect.Interface &&
		value.Type.Field(0).Type.NumMethod() == 0 && // with methods its first word were their table
		strindex.Offset == unsafe.Offsetof(keyValue{}.strindex) && strindex.Type.Kind() == reflect.Int32
}

// entries returns the entries of the map. Its layout was compared.
func entries(m *pcommon.Map) *[]keyValue {
	return *(**[]keyValue)(unsafe.Pointer(m))
}

// start begins with the attributes of m. The numbers are those foreseen.
func (a *attributes) start(m pcommon.Map, all, texts, nums int) {
	a.m = m
	if a.layout == nil {
		m.EnsureCapacity(all)
		return
	}
	a.all = make([]keyValue, 0, all)
	a.texts = make([]string, texts)
	a.nums = make([]int64, nums)
	a.textCount, a.numCount = 0, 0
}

// finish hands the attributes to the map, and returns how many there are.
func (a *attributes) finish() int {
	if a.layout == nil {
		return a.m.Len()
	}
	n := len(a.all)
	*entries(&a.m) = a.all
	a.all, a.texts, a.nums = nil, nil, nil
	return n
}

// str puts text, which is valid UTF-8.
func (a *attributes) str(key, s string) {
	if a.layout == nil {
		a.m.PutStr(key, s)
		return
	}
	if len(a.texts) == 0 {
		a.texts = make([]string, moreBoxes)
	}
	box := &a.texts[0]
	a.texts = a.texts[1:]
	a.textCount++
	*box = s
	a.all = append(a.all, keyValue{key: key, typ: a.layout.text, box: unsafe.Pointer(box)})
}

// int puts a number.
func (a *attributes) int(key string, n int64) {
	if a.layout == nil {
		a.m.PutInt(key, n)
		return
	}
	if len(a.nums) == 0 {
		a.nums = make([]int64, moreBoxes)
	}
	box := &a.nums[0]
	a.nums = a.nums[1:]
	a.numCount++
	*box = n
	a.all = append(a.all, keyValue{key: key, typ: a.layout.num, box: unsafe.Pointer(box)})
}

// bool puts a flag.
func (a *attributes) bool(key string, b bool) {
	if a.layout == nil {
		a.m.PutBool(key, b)
		return
	}
	a.all = append(a.all, keyValue{key: key, typ: a.layout.flag, box: unsafe.Pointer(&b)})
}

// double puts a real number.
func (a *attributes) double(key string, f float64) {
	if a.layout == nil {
		a.m.PutDouble(key, f)
		return
	}
	a.all = append(a.all, keyValue{key: key, typ: a.layout.real, box: unsafe.Pointer(&f)})
}
