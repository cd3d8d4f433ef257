package terminal

// ClampWidth returns the number of cells in a row that is reckoned with for a
// window that was announced as w wide.
func ClampWidth(w int) int { return clampSize(w, 0).width }

// ClampHeight is ClampWidth for the number of rows.
func ClampHeight(h int) int { return clampSize(0, h).height }
