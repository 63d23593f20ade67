"""erf(x) = 2/√π ∫₀ˣ exp(−t²) dt, for float32 and for float64.

For |x| up to 1 it is x + x P(x²). For larger |x|, 1 − erf(|x|) falls so fast that its logarithm is approximated:
erf(|x|) = 1 − 2^−Q(|x|), where an error of Q matters less as |x| grows. The polynomials are minimax fits of our own.
"""

from streamrnn.kernels.exponential import exp2
from streamrnn.kernels.formats import DOUBLE, SINGLE, Format, Function, chosen, polynomial
from streamrnn.simd.arithmetic import absolute, fma, select

# erf(x) / x - 1 in x**2 on [0, 1]: errors of erf relative to its value 1.2e-9 and 7.3e-18
_SINGLE_SMALL = [
    0.12837916612625122,
    -0.3761262595653534,
    0.1128358542919159,
    -0.026853812858462334,
    0.005188327748328447,
    -0.0008010193705558777,
    7.853860734030604e-05,
]
_DOUBLE_SMALL = [
    0.12837916709551256,
    -0.3761263890318352,
    0.11283791670944185,
    -0.026866170643111472,
    0.005223977606118517,
    -0.000854832592931656,
    0.00012055293576960785,
    -1.4924712303122372e-05,
    1.6447131584405558e-06,
    -1.6206313854210044e-07,
    1.3710980791189754e-08,
    -7.779469184898382e-10,
]

# -log2(1 - erf(x)) in x - 2 on [1, 4], and in x - 2.5 on [1, 6]: errors of erf 1.1e-9 and 1.2e-18
_SINGLE_LARGE = [
    7.739974021911621,
    6.374056816101074,
    1.3326939344406128,
    0.023786107078194618,
    -0.005112458020448685,
    0.0010282364673912525,
    -0.0002677267184481025,
]
_DOUBLE_LARGE = [
    11.262853679099846,
    7.722285974909939,
    1.3617508084815595,
    0.015664887691949275,
    -0.0031241227887263646,
    0.0006072773225677871,
    -0.00011113192632658886,
    1.8402812837368442e-05,
    -2.5521638916585773e-06,
    2.249153333499501e-07,
    1.8208323371607635e-08,
    -1.5656652168353728e-08,
    5.108807316388102e-09,
    -1.266166812310988e-09,
    1.9799558008497316e-10,
    -2.60151300730007e-11,
    1.2750876879588168e-11,
    1.0961280952982347e-12,
    -1.4991104789503643e-12,
]


def _erf(form: Format, small: list[float], large: list[float], centre: float, end: float) -> Function:
    """erf for a format: `small` up to 1, `large` (in |x| - centre) up to `end`, and 1 for larger |x|."""
    one, middle, last = form.number(1), form.number(centre), form.number(end)
    near, far = polynomial(form, small), polynomial(form, large)

    def erf(x):
        size = absolute(x)
        tail = exp2(-far(select(last < size, last, size) - middle))
        beyond = select(x < form.number(0), tail - one, one - tail)
        return select(size > one, beyond, fma(x, near(x * x), x))

    return erf


erf = chosen(_erf(SINGLE, _SINGLE_SMALL, _SINGLE_LARGE, 2.0, 4.0), _erf(DOUBLE, _DOUBLE_SMALL, _DOUBLE_LARGE, 2.5, 6.0))
