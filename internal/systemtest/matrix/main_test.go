package matrix_test

import (
	"testing"

	"github.com/holdfast-iot/holdfast/internal/systemtest"
)

func TestMain(m *testing.M) { systemtest.Main(m) }
