package usage

// Dict is a column of strings with few distinct values: each value is held once and rows refer to it by number. Numbers
// stay valid across [Dict.Reset] until the dictionary has grown past its bound, so that a reader may cache what it knows
// about a value by its number for as long as [Dict.Generation] is the same.
type Dict struct {
	Values     []string // by number
	Index      []uint32 // number per row
	Generation uint32   // changes when numbers are given out anew
	numbers    map[string]uint32
}

// maxDictValues bounds how many values a dictionary keeps from block to block.
const maxDictValues = 1 << 16

// Append adds a row. It allocates only for a value that was not seen since the dictionary was emptied.
func (d *Dict) Append(v []byte) { d.Index = append(d.Index, d.number(v)) }

// AppendString is Append for a string.
func (d *Dict) AppendString(v string) {
	if n, ok := d.numbers[v]; ok {
		d.Index = append(d.Index, n)
		return
	}
	d.Index = append(d.Index, d.add(v))
}

// Find returns the number of a value that the dictionary holds already.
func (d *Dict) Find(v []byte) (number uint32, ok bool) {
	number, ok = d.numbers[string(v)]
	return number, ok
}

// AppendNumber adds a row that has the value of that number, as Find gave it since the last [Dict.Generation].
func (d *Dict) AppendNumber(number uint32) { d.Index = append(d.Index, number) }

// Set replaces the value of row i.
func (d *Dict) Set(i int, v string) {
	n, ok := d.numbers[v]
	if !ok {
		n = d.add(v)
	}
	d.Index[i] = n
}

// At returns the value of row i; it may be kept.
func (d *Dict) At(i int) string { return d.Values[d.Index[i]] }

func (d *Dict) number(v []byte) uint32 {
	if n, ok := d.numbers[string(v)]; ok {
		return n
	}
	return d.add(string(v))
}

func (d *Dict) add(v string) uint32 {
	if d.numbers == nil {
		d.numbers = make(map[string]uint32)
	}
	n := uint32(len(d.Values))
	d.Values = append(d.Values, v)
	d.numbers[v] = n
	return n
}

func (d *Dict) reset() {
	d.Index = d.Index[:0]
	if len(d.Values) > maxDictValues {
		d.Values, d.numbers = nil, nil
		d.Generation++
	}
}

// Strings is a column of strings with many distinct values, one after the other in Data.
type Strings struct {
	Data []byte
	Ends []int // where row i ends in Data
}

// Append adds a row.
func (s *Strings) Append(v []byte) {
	s.Data = append(s.Data, v...)
	s.Ends = append(s.Ends, len(s.Data))
}

// At returns row i, valid until the column is reset or truncated.
func (s *Strings) At(i int) []byte {
	from := 0
	if i > 0 {
		from = s.Ends[i-1]
	}
	return s.Data[from:s.Ends[i]:s.Ends[i]]
}

func (s *Strings) truncate(n int) {
	if n == 0 {
		s.Data, s.Ends = s.Data[:0], s.Ends[:0]
		return
	}
	s.Data, s.Ends = s.Data[:s.Ends[n-1]], s.Ends[:n]
}
