package strata_test

import (
	"go/ast"
	"go/types"
	"strings"
	"testing"
)

// The tiers of all caches are compiled once, for values in interfaces: what a program with many
// types of values takes to build, and the size of it, hardly depends on their number. Only codecs
// know the types.
func TestArchitecture_tiersCompiledOnce(t *testing.T) {
	info := &types.Info{Instances: make(map[*ast.Ident]types.Instance)}
	set, _ := checkedPackage(t, ".", exportData(t), info)
	tiers := 0
	for id, in := range info.Instances {
		obj, ok := in.Type.(interface{ Obj() *types.TypeName })
		from := ""
		if ok && obj.Obj().Pkg() != nil {
			from = strings.TrimPrefix(obj.Obj().Pkg().Path(), module+"/")
		}
		if from != "layered" && !strings.HasPrefix(from, "store/") && from != "internal/memfleet" {
			continue
		}
		tiers++
		for i := range in.TypeArgs.Len() {
			if p, ok := in.TypeArgs.At(i).(*types.TypeParam); ok {
				t.Errorf("%v: %s.%s is compiled for each %v; use any", set.Position(id.Pos()), from, obj.Obj().Name(), p)
			}
		}
	}
	if tiers < 10 {
		t.Errorf("%d uses of the tiers were found", tiers)
	}
}
