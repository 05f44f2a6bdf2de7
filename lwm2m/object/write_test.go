package object

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

func TestWriteIsPrepared(t *testing.T) {
	object := thermometers(t)
	i := add(t, object, 0, thermometer{Value: 21, Target: 1})
	told := watch(t, object)
	do, err := object.Write(context.Background(), Change{Resources: []lwm2m.Resource{
		several(5, at(0, lwm2m.Integer(7))), single(7, lwm2m.Opaque([]byte("key"))), single(5750, lwm2m.String("lab")), single(5900, lwm2m.Float(18)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if v := i.Get(); v.Target != 1 || v.Points != nil || len(told.take()) > 0 {
		t.Error("the change has been carried out before its commit")
	}
	// What changes meanwhile stays.
	if err := i.Update(func(v *thermometer) { v.Value = 22 }); err != nil {
		t.Fatal(err)
	}
	told.take()
	if err := do(context.Background()); err != nil {
		t.Fatal(err)
	}
	v := i.Get()
	if v.Value != 22 || v.Target != 18 || v.Points[0] != 7 || string(v.Secret) != "key" || *v.Application != "lab" {
		t.Errorf("got %v", v)
	}
	if diff := cmp.Diff(paths("/3303/0/5", "/3303/0/5750", "/3303/0/5900"), told.take(), comparePaths); diff != "" {
		t.Error(diff)
	}
}

func TestWriteSeveralInstances(t *testing.T) {
	object := thermometers(t)
	i := add(t, object, 0, thermometer{Target: 1, Points: []int64{1, 2, 3}, Labels: map[uint16]string{1: "a", 2: "b"}})
	text := func(id uint16, s string) lwm2m.ResourceInstance { return at(id, lwm2m.String(s)) }
	for _, tc := range []struct {
		change Change
		points []int64
		labels map[uint16]string
	}{
		{Change{Resources: []lwm2m.Resource{several(5, at(1, lwm2m.Integer(5)), at(3, lwm2m.Integer(4)))}, Merge: []uint16{5}},
			[]int64{1, 5, 3, 4}, map[uint16]string{1: "a", 2: "b"}},
		{Change{Resources: []lwm2m.Resource{several(6, text(2, "c"), text(9, "d"))}, Merge: []uint16{6}},
			[]int64{1, 5, 3, 4}, map[uint16]string{1: "a", 2: "c", 9: "d"}},
		{Change{Remove: paths("/3303/0/5/2", "/3303/0/5/3", "/3303/0/6/1")}, []int64{1, 5}, map[uint16]string{2: "c", 9: "d"}},
		{Change{Resources: []lwm2m.Resource{several(5, at(0, lwm2m.Integer(9))), several(6)}}, []int64{9}, map[uint16]string{}},
	} {
		commit(t, object, tc.change)
		if got := i.Get(); !cmp.Equal(got.Points, tc.points) || !cmp.Equal(got.Labels, tc.labels) {
			t.Errorf("got %v, %v", got.Points, got.Labels)
		}
	}
}

func TestReplaceGoesBackToDefaults(t *testing.T) {
	object := thermometers(t)
	i := add(t, object, 0, thermometer{Value: 1, Target: 20, Points: []int64{1}})
	if err := i.Update(func(v *thermometer) { v.Target, v.Application = 25, new("x") }); err != nil {
		t.Fatal(err)
	}
	commit(t, object, Change{Replace: true, Resources: []lwm2m.Resource{several(6, at(0, lwm2m.String("new")))}})
	if got := i.Get(); got.Target != 20 || got.Application != nil || got.Points != nil || got.Labels[0] != "new" || got.Value != 1 {
		t.Errorf("got %v", got)
	}
}

func TestWriteRefused(t *testing.T) {
	object := thermometers(t)
	i := add(t, object, 0, thermometer{Target: 1, Points: []int64{1, 2}})
	before := i.Get()
	for name, tc := range map[string]struct {
		change Change
		code   lwm2m.Code
	}{
		"range":         {Change{Resources: []lwm2m.Resource{single(5900, lwm2m.Float(31))}}, lwm2m.CodeBadRequest},
		"length":        {Change{Resources: []lwm2m.Resource{several(6, at(0, lwm2m.String("more than 8")))}}, lwm2m.CodeBadRequest},
		"kind":          {Change{Resources: []lwm2m.Resource{single(5900, lwm2m.String("1"))}}, lwm2m.CodeBadRequest},
		"UTF-8":         {Change{Resources: []lwm2m.Resource{single(5750, lwm2m.String("\xff"))}}, lwm2m.CodeBadRequest},
		"gap":           {Change{Resources: []lwm2m.Resource{several(5, at(1, lwm2m.Integer(1)))}}, lwm2m.CodeBadRequest},
		"removed a gap": {Change{Remove: paths("/3303/0/5/0")}, lwm2m.CodeBadRequest},
		"one":           {Change{Resources: []lwm2m.Resource{single(5, lwm2m.Integer(1))}}, lwm2m.CodeBadRequest},
		"several":       {Change{Resources: []lwm2m.Resource{several(5900)}}, lwm2m.CodeBadRequest},
		"no instances":  {Change{Remove: paths("/3303/0/5900/0")}, lwm2m.CodeBadRequest},
		"read-only":     {Change{Resources: []lwm2m.Resource{single(5700, lwm2m.Float(1))}}, lwm2m.CodeMethodNotAllowed},
		"unknown":       {Change{Resources: []lwm2m.Resource{single(1, lwm2m.Float(1))}}, lwm2m.CodeNotFound},
		"gone":          {Change{Instance: 1}, lwm2m.CodeNotFound},
	} {
		// A good value before the bad one must not stay.
		tc.change.Resources = append([]lwm2m.Resource{several(5, at(0, lwm2m.Integer(77)))}, tc.change.Resources...)
		if name == "removed a gap" || name == "gap" || name == "one" {
			tc.change.Resources = tc.change.Resources[1:]
		}
		do, err := object.Write(context.Background(), tc.change)
		var refusal *Error
		if do != nil || !errors.As(err, &refusal) || refusal.Code != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before.Points, i.Get().Points); diff != "" {
		t.Error(diff)
	}
}

// window is refused where its ends do not go together.
type window struct {
	Low  int16 `lwm2m:"1,RW"`
	High int16 `lwm2m:"2,RW"`
}

func (w *window) Validate() error {
	switch {
	case w.Low > w.High:
		return errors.New("low above high")
	case w.High == 13:
		return Refuse(lwm2m.CodeConflict, "unlucky")
	}
	return nil
}

func TestValidateVetoes(t *testing.T) {
	object, err := Of[window](lwm2m.ObjectDef{ID: 9})
	if err != nil {
		t.Fatal(err)
	}
	i := add(t, object, 0, window{1, 2})
	write := func(id uint16, n int64) error {
		do, err := object.Write(context.Background(), Change{Resources: []lwm2m.Resource{single(id, lwm2m.Integer(n))}})
		if err != nil {
			return err
		}
		return do(context.Background())
	}
	var refusal *Error
	if err := write(1, 5); !errors.As(err, &refusal) || refusal.Code != lwm2m.CodeBadRequest || refusal.Detail != "the values are refused" {
		t.Error(err)
	}
	if err := write(2, 13); !errors.As(err, &refusal) || *refusal != (Error{lwm2m.CodeConflict, "unlucky"}) {
		t.Error(err)
	}
	if err := write(2, 1<<15); !errors.As(err, &refusal) || refusal.Code != lwm2m.CodeBadRequest {
		t.Error("an int16 cannot hold it:", err)
	}
	if err := write(2, 12); err != nil || i.Get() != (window{1, 12}) {
		t.Error(err, i.Get())
	}
}

func TestOnWriteIsCalledBeforeTheChange(t *testing.T) {
	var i *Instance[window]
	var fail error
	calls := 0
	object, err := Of(lwm2m.ObjectDef{ID: 9}, OnWrite(func(_ context.Context, id uint16, before, after window) error {
		calls++
		if id != 0 || before != i.Get() || after.High != 7 {
			t.Errorf("%d: %v becomes %v", id, before, after)
		}
		return fail
	}))
	if err != nil {
		t.Fatal(err)
	}
	i = add(t, object, 0, window{1, 2})
	fail = errors.New("the valve is stuck")
	change := Change{Resources: []lwm2m.Resource{single(2, lwm2m.Integer(7))}}
	do, err := object.Write(context.Background(), change)
	if err != nil || calls != 0 {
		t.Fatal(err, calls)
	}
	if err := do(context.Background()); err != fail || i.Get().High != 2 {
		t.Error(err, i.Get())
	}
	fail = nil
	if commit(t, object, change); i.Get().High != 7 || calls != 2 {
		t.Error(i.Get(), calls)
	}
}

func TestAHookThatHangsHoldsUpItsOwnWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		never := make(chan struct{})
		var order []int16
		object, err := Of(lwm2m.ObjectDef{ID: 9}, OnWrite(func(_ context.Context, _ uint16, _, after window) error {
			if order = append(order, after.High); after.High == 10 {
				<-never
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		i := add(t, object, 0, window{1, 2})
		results := map[int64]error{}
		ended := map[int64]time.Duration{}
		write := func(high int64, deadline time.Duration) {
			ctx, cancel := context.WithTimeout(context.Background(), deadline)
			defer cancel()
			do, err := object.Write(ctx, Change{Resources: []lwm2m.Resource{single(2, lwm2m.Integer(high))}})
			if err == nil {
				err = do(ctx)
			}
			results[high], ended[high] = err, time.Since(began)
		}
		go write(10, 30*time.Second)
		synctest.Wait()
		go write(11, 20*time.Second)
		synctest.Wait()
		time.Sleep(25 * time.Second)
		synctest.Wait()
		var refusal *Error
		if !errors.As(results[11], &refusal) || refusal.Code != lwm2m.CodeServiceUnavailable || ended[11] != 20*time.Second {
			t.Errorf("the impatient one: %v after %v", results[11], ended[11])
		}
		go write(12, 20*time.Second)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if results[12] != nil || ended[12] != 30*time.Second || i.Get().High != 12 {
			t.Errorf("the next one: %v after %v", results[12], ended[12])
		}
		close(never)
		synctest.Wait()
		if !errors.Is(results[10], context.DeadlineExceeded) || i.Get().High != 12 {
			t.Errorf("the one that hung: %v, %v", results[10], i.Get())
		}
		if diff := cmp.Diff([]int16{10, 12}, order); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCreateAndDelete(t *testing.T) {
	def := lwm2m.ObjectDef{ID: 9, Multiple: true}
	veto := errors.New("keep it")
	object, err := Of(def,
		OnCreate(func(_ context.Context, id uint16) (window, error) {
			if id == 13 {
				return window{}, Refuse(lwm2m.CodeForbidden, "unlucky")
			}
			return window{Low: 1, High: 9}, nil
		}),
		OnDelete(func(_ context.Context, _ uint16, last window) error {
			if last.Low == 3 {
				return veto
			}
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	told := watch(t, object)
	create := func(id uint16, resources ...lwm2m.Resource) (Commit, error) {
		return object.Create(context.Background(), id, resources)
	}
	do, err := create(4, single(1, lwm2m.Integer(3)))
	if err != nil || len(object.Instances()) > 0 {
		t.Fatal(err, object.Instances())
	}
	again, err := create(4)
	if err != nil {
		t.Fatal(err)
	}
	if err := do(context.Background()); err != nil {
		t.Fatal(err)
	}
	var refusal *Error
	if err := again(context.Background()); !errors.As(err, &refusal) || refusal.Code != lwm2m.CodeBadRequest {
		t.Error(err)
	}
	if i, _ := object.Get(4); i.Get() != (window{3, 9}) {
		t.Error(i.Get())
	}
	for id, r := range map[uint16]lwm2m.Resource{13: {}, lwm2m.MaxID: {}, 5: single(1, lwm2m.Integer(10)), 6: single(3, lwm2m.Value{}), 7: single(1, lwm2m.String(""))} {
		if _, err := create(id, r); !errors.As(err, &refusal) {
			t.Error(id, err)
		}
	}
	if err := object.Delete(context.Background(), 4); err != veto {
		t.Error(err)
	}
	commit(t, object, Change{Instance: 4, Resources: []lwm2m.Resource{single(1, lwm2m.Integer(4))}})
	if err := object.Delete(context.Background(), 4); err != nil || len(object.Instances()) > 0 {
		t.Error(err)
	}
	if diff := cmp.Diff(paths("/9", "/9/4/1", "/9"), told.take(), comparePaths); diff != "" {
		t.Error(diff)
	}
	closed, err := Of[window](def)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := closed.Create(context.Background(), 0, nil); !errors.As(err, &refusal) || refusal.Code != lwm2m.CodeMethodNotAllowed {
		t.Error(err)
	}
	if err := closed.Delete(context.Background(), 0); !errors.As(err, &refusal) || refusal.Code != lwm2m.CodeMethodNotAllowed {
		t.Error(err)
	}
}
