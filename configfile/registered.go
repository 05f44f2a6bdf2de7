package configfile

import (
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// registered are the reusable resources of the OMA's registry from 5500 to 5999, sorted, by their
// types: they have the same in every object, so that a temperature needs no definition.
var registered = []struct {
	kind lwm2m.Kind
	ids  []uint16
}{
	{lwm2m.KindBoolean, []uint16{5500, 5502, 5532, 5533, 5543, 5550, 5551, 5850}},
	{lwm2m.KindInteger, []uint16{
		5501, 5503, 5504, 5526, 5528, 5529, 5534, 5541, 5542, 5545, 5546, 5547, 5825, 5826, 5827, 5828, 5851, 5852, 5854,
		5903, 5904, 5910,
	}},
	{lwm2m.KindTime, []uint16{5506, 5518, 5824}},
	{lwm2m.KindFloat, []uint16{
		5507, 5508, 5509, 5510, 5511, 5512, 5513, 5519, 5520, 5521, 5524, 5525, 5531, 5535, 5536, 5537, 5538, 5544, 5548,
		5600, 5601, 5602, 5603, 5604, 5650, 5700, 5702, 5703, 5704, 5705, 5800, 5801, 5802, 5803, 5804, 5805, 5806, 5810,
		5811, 5812, 5813, 5814, 5815, 5816, 5820, 5821, 5900,
	}},
	{lwm2m.KindString, []uint16{
		5514, 5515, 5516, 5527, 5701, 5706, 5750, 5751, 5823, 5853, 5905, 5906, 5907, 5908, 5912,
	}},
	{lwm2m.KindOpaque, []uint16{5517, 5522}},
}

// registeredKind is the type of a reusable resource.
func registeredKind(id uint16) (lwm2m.Kind, bool) {
	for _, r := range registered {
		if _, found := slices.BinarySearch(r.ids, id); found {
			return r.kind, true
		}
	}
	return lwm2m.KindNone, false
}
