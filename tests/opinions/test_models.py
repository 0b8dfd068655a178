"""Models of ratings against R 4.2.2: lme4 1.1.31, lmerTest 3.1.3, ordinal 2022.11.16."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nst_lib.opinions import design, factorial, ranks
from nst_lib.opinions.crossed import Arrow, Crossed, Effect
from nst_lib.opinions.mixed import MixedModel
from nst_lib.opinions.ordinal import OrdinalModel
from nst_lib.opinions.paired import holm
from nst_lib.opinions.ratings import Ratings
from nst_lib.opinions.reading import check
from nst_lib.opinions.reliability import without_bias

#: 6 listeners x 4 pairs x 2 transforms x 2 poolings, the last one changing fastest.
DIGITS = (
    "4421341134234523443545224433543443412221432443434313331142345235"
    "43333322443455554322321243214242"
)
#: Rows that the unbalanced data do not have.
DROPPED = (3, 17, 18, 40, 61, 62, 63, 80, 95)
FACTORS = ("transform", "pooling")

# In R, s being DIGITS:
#   d <- expand.grid(pooling=c(-.5,.5), transform=c(-.5,.5), pair=1:4, listener=1:6)
#   d$rating <- as.numeric(strsplit(s, "")[[1]])
#   d$cell <- factor(paste(d$transform, d$pooling), levels=unique(paste(d$transform, d$pooling)))
#   u <- d[-(c(3,17,18,40,61,62,63,80,95)+1),]
#   ctl <- lmerControl(optimizer="bobyqa", optCtrl=list(rhoend=1e-10, maxfun=1e6))


def table(dropped: tuple[int, ...] = ()) -> pd.DataFrame:
    cells = product(range(6), range(4), ("stft", "cqt"), ("max", "average"))
    rows = [
        (f"L{i}", f"{t}-{p}-{j}", int(digit), f"P{j}", t, p, f"{t} {p}")
        for digit, (i, j, t, p) in zip(DIGITS, cells, strict=True)
    ]
    columns = ["listener", "item", "rating", "pair", "transform", "pooling", "cell"]
    return pd.DataFrame(rows, columns=columns).drop(index=list(dropped))


#: As factor() in R has it: the order in which they appear.
ORDER = {
    "transform": ("stft", "cqt"),
    "pooling": ("max", "average"),
    "cell": ("stft max", "stft average", "cqt max", "cqt average"),
}
BALANCED, UNBALANCED = (check(table(gone)).ordered(ORDER) for gone in ((), DROPPED))
BOTH = pytest.mark.parametrize("ratings", [BALANCED, UNBALANCED], ids=["balanced", "unbalanced"])


def three_levels(ratings: Ratings) -> Ratings:
    kept = ratings.table[ratings.table["cell"] != "cqt average"]
    return check(kept)


# f <- rating ~ transform*pooling +
#      (1|listener)+(0+transform|listener)+(0+pooling|listener)+(0+transform:pooling|listener) +
#      (1|pair)+(0+transform|pair)+(0+pooling|pair)+(0+transform:pooling|pair)
# m <- lmer(f, x, control=ctl); REMLcrit(m); VarCorr(m); coef(summary(m))
LMER = {
    "balanced": {
        "ratings": BALANCED,
        "reml": 247.061523248,
        "variances": {
            "listener": 0.1757688960,
            "listener × transform": 0.2072420552,
            "listener × pooling": 0.1947420391,
            "listener × transform × pooling": 0.7289681701,
            "pair": 0.3601190325,
            "pair × transform": 0.1719576841,
            "pair × pooling": 0.0,
            "pair × transform × pooling": 0.0582008989,
            "residual": 0.5064484189,
        },
        # estimate, se, df, t, p
        "fixed": [
            (3.093750000000, 0.352987363081, 4.75188724, 8.764478062, 0.000413495938),
            (-0.979166666667, 0.314056970968, 4.87503372, -3.117799499, 0.027230089556),
            (-0.145833333333, 0.231428226380, 5.00000042, -0.630144972, 0.556271957498),
            (0.708333333333, 0.469524216158, 4.09896662, 1.508619383, 0.204209165793),
        ],
    },
    "unbalanced": {
        "ratings": UNBALANCED,
        "reml": 220.170386668,
        "variances": {
            "listener": 0.1640218225,
            "listener × transform": 0.1291635513,
            "listener × pooling": 0.2185623246,
            "listener × transform × pooling": 0.0853624129,
            "pair": 0.3881721349,
            "pair × transform": 0.1158630650,
            "pair × pooling": 0.0,
            "pair × transform × pooling": 0.0116466745,
            "residual": 0.5096527586,
        },
        "fixed": [
            (3.1152770908281, 0.361027083778, 4.54449201, 8.628929049, 0.000550080373),
            (-0.9839481654394, 0.272694802243, 4.18610609, -3.608239531, 0.020906280845),
            (-0.0656316205545, 0.245304289344, 4.97059087, -0.267551867, 0.799790915173),
            (0.6430097863348, 0.334857742729, 2.22001728, 1.920247628, 0.182040341079),
        ],
    },
}


@pytest.mark.parametrize("data", LMER)
class TestAgainstLmer:
    def test_reml_criterion(self, data):
        model = factorial.fit_mixed(LMER[data]["ratings"], FACTORS)
        assert model.reml == pytest.approx(LMER[data]["reml"], abs=1e-6)

    def test_variances_also_of_zero(self, data):
        variances = factorial.fit_mixed(LMER[data]["ratings"], FACTORS).variances
        assert variances == pytest.approx(LMER[data]["variances"], abs=2e-4)
        assert list(variances) == list(LMER[data]["variances"])
        assert variances["pair × pooling"] == 0

    def test_estimates_errors_df_t_and_p(self, data):
        model = factorial.fit_mixed(LMER[data]["ratings"], FACTORS)
        for row, (estimate, se, df, t, p) in zip(np.eye(4), LMER[data]["fixed"], strict=True):
            found = model.test(row)
            assert found.estimate == pytest.approx(estimate, abs=1e-4)
            assert found.se == pytest.approx(se, rel=1e-4)
            assert found.df2 == pytest.approx(df, rel=2e-3)
            assert found.statistic == pytest.approx(t, rel=5e-4)
            assert found.p == pytest.approx(p, rel=2e-3)

    def test_table_has_the_same_numbers(self, data):
        ratings = LMER[data]["ratings"]
        found = factorial.mixed_table(ratings, FACTORS, factorial.fit_mixed(ratings, FACTORS))
        assert found["term"].tolist() == ["transform", "pooling", "transform × pooling"]
        for row, (estimate, se, df, t, p) in zip(
            found.to_dict("records"), LMER[data]["fixed"][1:], strict=True
        ):
            half = stats.t.ppf(0.975, df) * se
            assert row["estimate"] == pytest.approx(estimate, abs=1e-4)
            assert (row["low"], row["high"]) == pytest.approx(
                (estimate - half, estimate + half), rel=2e-3, abs=2e-3
            )
            assert row["F"] == pytest.approx(t**2, rel=1e-3)
            assert row["p"] == pytest.approx(p, rel=2e-3)
            assert row["partial eta2"] == pytest.approx(t**2 / (t**2 + df), rel=2e-3)
        assert found["p Holm"].tolist() == pytest.approx(holm(found["p"].tolist()))

    def test_effect_size_is_in_standard_deviations_of_a_rating(self, data):
        ratings = LMER[data]["ratings"]
        found = factorial.mixed_table(ratings, FACTORS, factorial.fit_mixed(ratings, FACTORS))
        shares = {"transform": 1 / 4, "pooling": 1 / 4, "transform × pooling": 1 / 16}
        total = sum(
            variance * shares.get(name.partition(" × ")[2], 1)
            for name, variance in LMER[data]["variances"].items()
        )
        assert found["d"].tolist() == pytest.approx(
            (found["estimate"] / np.sqrt(total)).tolist(), rel=1e-3
        )

    def test_effects_that_do_not_differ_are_marked(self, data):
        ratings = LMER[data]["ratings"]
        found = factorial.mixed_table(ratings, FACTORS, factorial.fit_mixed(ratings, FACTORS))
        assert "pairs" in found["alike"][1].split(", ")
        for term, alike in zip(found["term"], found["alike"], strict=True):
            zeros = [
                u for u in ("listener", "pair") if not LMER[data]["variances"][f"{u} × {term}"]
            ]
            assert alike == ", ".join(f"{unit}s" for unit in zeros)


# t3 <- x[as.integer(x$cell) < 4,]; t3$cell <- droplevels(t3$cell)
# m <- lmer(rating~cell+(1|listener)+(1|pair), t3, contrasts=list(cell="contr.sum"), control=ctl)
# REMLcrit(m); anova(m)
@pytest.mark.parametrize(
    ("ratings", "reml", "df2", "F", "p"),
    [
        (BALANCED, 180.43687757, 61.0, 19.3776335877, 3.0550404919e-07),
        (UNBALANCED, 166.014376932, 55.3397262405, 17.4844351687, 1.30268397214e-06),
    ],
    ids=["balanced", "unbalanced"],
)
def test_three_levels_against_anova_of_lmertest(ratings, reml, df2, F, p):
    ratings = three_levels(ratings)
    model = factorial.fit_mixed(ratings, ["cell"], slopes=False)
    row = factorial.mixed_table(ratings, ["cell"], model).iloc[0]
    assert row["df1"] == 2
    assert row["df2"] == pytest.approx(df2, rel=1e-4)
    assert row["F"] == pytest.approx(F, rel=1e-5)
    assert row["p"] == pytest.approx(p, rel=1e-3)
    assert np.isnan(row["estimate"])
    # The criterion depends on the coding: with ones, contr.sum has determinant 3, ours sqrt(3).
    assert model.reml == pytest.approx(reml - np.log(3), abs=1e-5)


# x$r <- factor(x$rating); x$listener2 <- x$listener; x$pair2 <- x$pair
# m <- clmm(r~transform*pooling+(1|listener)+(1|pair), x)
# m <- clmm(r~transform*pooling+(1|listener)+(0+transform|listener2)+(1|pair)+(0+transform|pair2),
#           x, control=clmm.control(maxIter=200, gradTol=1e-6))
# coef(summary(m)); logLik(m); VarCorr(m)
CLMM = [
    (
        BALANCED,
        ["listener", "pair"],
        (-3.3421641174, -1.2102905502, 0.7107511379, 3.3566018202),
        (-2.3041555500, -0.3677322092, 1.6545825963),
        (0.4555585330, 0.3891160660, 0.7958757740),
        -120.502226984,
        (0.7412650144, 1.6093877834),
    ),
    (
        BALANCED,
        ["listener", "listener × transform", "pair", "pair × transform"],
        (-3.5638017308, -1.2537450507, 0.7771129589, 3.4433366609),
        (-2.4022027128, -0.3538086156, 1.6967076011),
        (0.6554099800, 0.3927484062, 0.8049097155),
        -119.944123687,
        (0.8196293739, 0.7146892070, 1.7777020126, 0.3485504834),
    ),
    (
        UNBALANCED,
        ["listener", "pair"],
        (-3.5805175549, -1.3521800560, 0.7224861778, 3.4963808612),
        (-2.3945299859, -0.2166603891, 1.6191322084),
        (0.4868281265, 0.4117411628, 0.8460564750),
        -106.338391411,
        (0.7685913119, 1.9728749131),
    ),
    (
        UNBALANCED,
        ["listener", "listener × transform", "pair", "pair × transform"],
        (-3.7718828744, -1.3951257746, 0.7765549322, 3.5883735600),
        (-2.4895034691, -0.1790070510, 1.6206409295),
        (0.6517313952, 0.4181568395, 0.8540544445),
        -105.953776692,
        (0.8422211776, 0.6205571822, 2.1522773836, 0.2594776875),
    ),
]


def ordinal_model(ratings: Ratings, effects: list[str]) -> OrdinalModel:
    parts = {term.name: term.columns for term in design.terms(ratings.table, FACTORS)}
    ones = np.ones((len(ratings.table), 1))
    random = []
    for name in effects:
        group, _, term = name.partition(" × ")
        random.append(Effect(name, ratings.table[group].tolist(), parts.get(term, ones)))
    X = np.column_stack(list(parts.values()))
    return OrdinalModel(ratings.table["rating"].to_numpy(float), X, random)


@pytest.mark.parametrize(
    ("ratings", "effects", "thresholds", "b", "se", "loglik", "variances"),
    CLMM,
    ids=["balanced", "balanced, slopes", "unbalanced", "unbalanced, slopes"],
)
def test_ordinal_against_clmm(ratings, effects, thresholds, b, se, loglik, variances):
    model = ordinal_model(ratings, effects)
    assert model.log_likelihood == pytest.approx(loglik, abs=1e-5)
    assert model.thresholds == pytest.approx(thresholds, abs=2e-3)
    assert model.b == pytest.approx(b, abs=2e-3)
    assert np.sqrt(np.diag(model.covariance)) == pytest.approx(se, rel=1e-5)
    assert list(model.sd) == effects
    assert np.square(list(model.sd.values())) == pytest.approx(variances, rel=5e-3)


# ordinal::wine: 9 judges of 8 bottles, temperature and contact -1/2 or 1/2 (R. H. Randall, 1989).
# w$t2 <- w$c2 <- w$judge
# m <- clmm(rating~t*c+(1|judge)+(0+t|t2)+(0+c|c2), w, control=clmm.control(maxIter=500,
#           gradTol=1e-7)); logLik(m); coef(summary(m)); VarCorr(m)
# A search in standard deviations ends at that of t = 0: -81.53590, standard error of t 0.633.
WINE = "233444551213235423325544323232532343333332322454112223232223333412323244"


def test_search_does_not_end_at_a_variance_of_zero_that_is_no_optimum():
    t = np.tile(np.repeat([-0.5, 0.5], 4), 9)[:, None]
    c = np.tile(np.repeat([-0.5, 0.5], 2), 18)[:, None]
    judge = np.repeat(np.arange(9), 8).tolist()
    effects = [
        Effect(name, judge, slopes)
        for name, slopes in {"1": np.ones_like(t), "t": t, "c": c, "tc": t * c}.items()
    ]
    model = OrdinalModel(np.array(list(WINE), dtype=float), np.hstack([t, c, t * c]), effects)
    assert model.log_likelihood == pytest.approx(-81.53558336, abs=1e-6)
    assert model.b == pytest.approx((3.0698163774, 1.8359586005, 0.2291999671), abs=1e-4)
    se = (0.6645303510, 0.5266169345, 0.9589742173)
    assert np.sqrt(np.diag(model.covariance)) == pytest.approx(se, rel=1e-4)
    assert list(model.sd.values()) == pytest.approx((1.132913, 0.1595004, 0.1291575, 0), abs=1e-4)


# y <- x[x$cell < 4 & x$pair %in% p,]; y$c1 <- C[y$cell,1]; y$c2 <- C[y$cell,2]
# C <- qr.Q(qr(cbind(1, diag(3)[,2:3])))[,2:3]
# m <- lmer(rating~c1+c2+(1|listener)+(1|pair)+(0+c1|pair)+(0+c2|pair), y, control=ctl)
# contest(m, diag(3)[2:3,], joint=TRUE)
@pytest.mark.parametrize(
    ("ratings", "pairs", "F", "df2", "p"),
    [
        (BALANCED, ["P0", "P1", "P2", "P3"], 20.6349719136, 3.96491194, 0.00801805289),
        (UNBALANCED, ["P0", "P1", "P2", "P3"], 17.6603604671, 4.17087178, 0.00920524209),
        (UNBALANCED, ["P0", "P1", "P2"], 20.4936383736, 2.08650286, 0.0424951418255),
        (UNBALANCED, ["P1", "P2", "P3"], 12.2930131435, 2.0, 0.075227488998),
        (UNBALANCED, ["P0", "P1"], 12.8090618848, 2.0, 0.0724162154055),
    ],
    ids=["balanced", "unbalanced", "three pairs", "less than 2 df", "two pairs"],
)
def test_f_test_with_slopes_against_lmertest(ratings, pairs, F, df2, p):
    table = three_levels(ratings).table
    table = table[table["pair"].isin(pairs)]
    code = design.terms(table, ["cell"])[0].columns
    ones = np.ones((len(table), 1))
    listener, pair = table["listener"].tolist(), table["pair"].tolist()
    effects = [
        Effect("listener", listener, ones),
        Effect("pair", pair, ones),
        Effect("pair × c1", pair, code[:, :1]),
        Effect("pair × c2", pair, code[:, 1:]),
    ]
    model = MixedModel(table["rating"].to_numpy(float), np.hstack([ones, code]), effects)
    found = model.test(np.eye(3)[1:])
    assert found.df1 == 2
    assert found.statistic == pytest.approx(F, rel=1e-4)
    assert found.df2 == pytest.approx(df2, rel=1e-3)
    assert found.p == pytest.approx(p, rel=2e-3)


# d <- expand.grid(system=factor(1:20), pair=factor(1:3), listener=factor(1:6)); d$rating: TWENTY
# u <- d[seq_len(nrow(d)) %% 11 != 5,]; C <- qr.Q(qr(cbind(1, diag(20)[,-1])))[,-1]
# m <- lmer(rating~system+(1|listener)+(1|listener:system)+(1|pair)+(1|pair:system), x, control=ctl,
#           contrasts=list(system=C)); REMLcrit(m); VarCorr(m); anova(m)
# An effect of each level of each listener, of variance v, is one of each contrast, and v / 20 more
# of the listener.
TWENTY = (
    "43211143211244321123443323544323455312343422114432113442212343211233131233121133"
    "33331344331243442233331211331311332131335432325441334452334444533453534354543454"
    "33333343433244423343332122343211343213333443334443235333234334222133222133332233"
    "32211133221223212223343222334212444223432233123431113321213234212243323454432444"
    "4453244454345554344533222244233335444344"
)


@pytest.mark.parametrize(
    ("gaps", "reml", "variances", "df2", "F", "p"),
    [
        (
            False,
            719.1391520207,
            (0.26424945598, 0.12352824970, 0.22234444327, 0.09765594721, 0.25222222648),
            63.8346212731,
            6.86228518638,
            2.36841373428e-09,
        ),
        (
            True,
            653.3152077617,
            (0.2528395802, 0.1221966017, 0.2392129689, 0.0947168502, 0.2475312253),
            61.1483846199,
            6.91809604411,
            3.06355466269e-09,
        ),
    ],
    ids=["all ratings", "a rating in eleven is missing"],
)
def test_twenty_levels_against_lmer(gaps, reml, variances, df2, F, p):
    cells = product(range(6), range(3), range(20))
    rows = [
        (f"L{i}", f"{j}-{k}", int(digit), f"P{j}", f"S{k}")
        for digit, (i, j, k) in zip(TWENTY, cells, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["listener", "item", "rating", "pair", "system"])
    ratings = check(table[(np.arange(360) % 11 != 4) | (not gaps)])
    model = factorial.fit_mixed(ratings, ["system"])
    assert model.reml == pytest.approx(reml, abs=1e-6)
    listener, level, pair, pair_level, residual = variances
    expected = {
        "listener": listener + level / 20,
        "listener × system": level,
        "pair": pair + pair_level / 20,
        "pair × system": pair_level,
        "residual": residual,
    }
    assert model.variances == pytest.approx(expected, rel=1e-4)
    found = model.test(np.eye(20)[1:])
    assert found.df1 == 19
    assert found.df2 == pytest.approx(df2, rel=1e-4)
    assert found.statistic == pytest.approx(F, rel=1e-5)
    assert found.p == pytest.approx(p, rel=1e-3)


def changed(ratings: Ratings, **columns) -> Ratings:
    return check(ratings.table.assign(**columns), scale=(-100, 100))


def p_values(ratings: Ratings, factors=FACTORS) -> dict[str, float]:
    found = factorial.mixed_table(ratings, factors, factorial.fit_mixed(ratings, factors))
    return dict(zip(found["term"], found["p"], strict=True))


class TestMixed:
    @BOTH
    @pytest.mark.parametrize("factors", [FACTORS, ["cell"]], ids=["two by two", "four levels"])
    def test_p_does_not_depend_on_the_order_of_rows(self, ratings, factors):
        expected = p_values(ratings, factors)
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(ratings.table))
            moved = check(ratings.table.iloc[order])
            assert p_values(moved, factors) == pytest.approx(expected, rel=1e-3)

    @BOTH
    def test_constant_changes_the_intercept_only(self, ratings):
        more = changed(ratings, rating=ratings.table["rating"] + 10)
        a, b = factorial.fit_mixed(ratings, FACTORS), factorial.fit_mixed(more, FACTORS)
        assert b.b - a.b == pytest.approx([10, 0, 0, 0], abs=1e-4)
        assert b.covariance == pytest.approx(a.covariance, rel=1e-3, abs=1e-6)
        assert b.reml == pytest.approx(a.reml, abs=1e-6)

    @BOTH
    def test_scale_leaves_p_alone(self, ratings):
        wider = changed(ratings, rating=ratings.table["rating"] * 10)
        assert p_values(wider) == pytest.approx(p_values(ratings), rel=1e-3)

    @BOTH
    def test_without_slopes_errors_are_smaller_where_pairs_differ(self, ratings):
        sign = ratings.table["pair"].isin(["P0", "P1"]).map({True: 1, False: -1})
        cqt = (ratings.table["transform"] == "cqt").map({True: 1, False: -1})
        differing = changed(ratings, rating=ratings.table["rating"] + sign * cqt)
        with_slopes, without = (
            factorial.fit_mixed(differing, FACTORS, slopes=slopes).test(np.array([0, 1, 0, 0]))
            for slopes in (True, False)
        )
        assert without.se < 0.5 * with_slopes.se
        assert without.df2 > 5 * with_slopes.df2

    def test_balanced_estimates_are_differences_of_means(self):
        found = factorial.mixed_table(BALANCED, FACTORS, factorial.fit_mixed(BALANCED, FACTORS))
        mean = BALANCED.table.groupby(list(FACTORS))["rating"].mean()
        cqt, stft = mean["cqt"], mean["stft"]
        expected = [
            (cqt.mean() - stft.mean()),
            (cqt["average"] + stft["average"] - cqt["max"] - stft["max"]) / 2,
            (cqt["average"] - cqt["max"]) - (stft["average"] - stft["max"]),
        ]
        assert found["estimate"].tolist() == pytest.approx(expected)
        assert found["difference"].tolist() == [
            "cqt − stft",
            "average − max",
            "(cqt − stft) × (average − max)",
        ]

    def test_single_sample_is_the_t_test_of_the_differences(self):
        # One rating of each listener under each condition: the paired t test.
        one = check(BALANCED.table.query("pair == 'P2' and pooling == 'max'"))
        wide = one.table.pivot(index="listener", columns="transform", values="rating")
        model = factorial.fit_mixed(one, ["transform"], slopes=False)
        expected = stats.ttest_rel(wide["cqt"], wide["stft"])
        found = model.test(np.array([0.0, 1.0]))
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-3)
        assert found.df2 == pytest.approx(5, rel=1e-3)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-2)

    def test_interval_excludes_zero_where_p_is_below_its_level(self):
        found = factorial.fit_mixed(BALANCED, FACTORS).test(np.array([0.0, 1.0, 0.0, 0.0]))
        for level, excluded in ((1 - 1.01 * found.p, True), (1 - 0.99 * found.p, False)):
            low, high = found.interval(level)
            assert (high < 0) is excluded
            assert (low + high) / 2 == pytest.approx(found.estimate)

    def test_condition_without_ratings_is_refused(self):
        kept = BALANCED.table[BALANCED.table["cell"] != "cqt average"]
        with pytest.raises(
            ValueError, match=r"72 ratings do not determine 4 effects.*under every condition"
        ):
            factorial.fit_mixed(check(kept), FACTORS)

    def test_ratings_that_follow_exactly_leave_nothing_to_test(self):
        cqt = BALANCED.table["transform"] == "cqt"
        ratings = changed(BALANCED, rating=2 + cqt + (BALANCED.table["pair"] == "P1"))
        model = factorial.fit_mixed(ratings, ["transform"])
        assert model.exact
        found = factorial.mixed_table(ratings, ["transform"], model).iloc[0]
        assert found["estimate"] == pytest.approx(1)
        assert found[["low", "high", "df2", "F", "p", "d"]].isna().all()

    def test_items_stand_in_for_pairs(self):
        alone = check(BALANCED.table.drop(columns="pair"))
        variances = factorial.fit_mixed(alone, FACTORS).variances
        assert [name for name in variances if name.startswith("item")] == ["item"]


class TestTerms:
    def test_three_factors_have_seven_terms(self):
        second = BALANCED.table["pair"].isin(["P0", "P1"]).map({True: "early", False: "late"})
        table = BALANCED.table.assign(time=second)
        found = design.terms(table, ["transform", "pooling", "time"])
        assert [term.name for term in found] == [
            "transform",
            "pooling",
            "time",
            "transform × pooling",
            "transform × time",
            "pooling × time",
            "transform × pooling × time",
        ]
        assert found[-1].label == "(cqt − stft) × (average − max) × (late − early)"
        columns = np.hstack([term.columns for term in found])
        assert columns.T @ columns == pytest.approx(np.diag([24, 24, 24, 6, 6, 6, 1.5]))

    def test_three_factors_are_tested(self):
        table = BALANCED.table.assign(
            pair=BALANCED.table["pair"].str.replace("P2", "P0").str.replace("P3", "P1"),
            time=BALANCED.table["pair"].isin(["P0", "P1"]).map({True: "early", False: "late"}),
        )
        ratings = check(table)
        factors = ["transform", "pooling", "time"]
        found = factorial.mixed_table(ratings, factors, factorial.fit_mixed(ratings, factors))
        mean = table.groupby("time")["rating"].mean()
        assert len(found) == 7
        assert found["estimate"][2] == pytest.approx(mean["late"] - mean["early"])
        assert found["estimate"][0] == pytest.approx(-0.979166666667)

    def test_three_levels_are_orthonormal_and_have_no_label(self):
        table = three_levels(BALANCED).table
        (term,) = design.terms(table, ["cell"])
        assert term.columns.sum(axis=0) == pytest.approx([0, 0])
        assert term.columns.T @ term.columns == pytest.approx(24 * np.eye(2))
        assert term.label == ""

    def test_interaction_with_three_levels_has_two_columns(self):
        table = BALANCED.table[BALANCED.table["pair"] != "P3"]
        term = design.terms(table, ["pair", "pooling"])[-1]
        assert term.name == "pair × pooling"
        assert term.columns.shape == (72, 2)


@pytest.fixture(scope="module")
def model():
    return ordinal_model(BALANCED, ["listener", "pair"])


class TestOrdinal:
    def test_monotone_relabelling_changes_nothing(self, model):
        other = changed(BALANCED, rating=BALANCED.table["rating"].map(lambda x: -9 + x**3 / 2))
        a, b = model, ordinal_model(other, ["listener", "pair"])
        assert b.b.tolist() == a.b.tolist()
        assert b.thresholds.tolist() == a.thresholds.tolist()
        assert b.log_likelihood == a.log_likelihood

    def test_reversed_scale_reverses_signs(self, model):
        other = changed(BALANCED, rating=6 - BALANCED.table["rating"])
        a, b = model, ordinal_model(other, ["listener", "pair"])
        assert b.b == pytest.approx(-a.b, abs=1e-3)
        assert b.thresholds == pytest.approx(-a.thresholds[::-1], abs=1e-3)
        assert b.log_likelihood == pytest.approx(a.log_likelihood, abs=1e-6)

    def test_table_is_of_wald_tests_of_the_model(self, model):
        found = factorial.ordinal_table(BALANCED, FACTORS, model)
        b, se = np.array(CLMM[0][3]), np.array(CLMM[0][4])
        assert found["odds ratio"].to_numpy() == pytest.approx(np.exp(b), rel=2e-3)
        assert found["low"].to_numpy() == pytest.approx(np.exp(b - 1.959964 * se), rel=4e-3)
        assert found["high"].to_numpy() == pytest.approx(np.exp(b + 1.959964 * se), rel=4e-3)
        assert found["chi2"].to_numpy() == pytest.approx((b / se) ** 2, rel=4e-3)
        # From coef(summary(m)) above.
        p = [4.239666860e-07, 3.446358808e-01, 3.762233259e-02]
        assert found["p"].to_numpy() == pytest.approx(p, rel=2e-2)
        assert found["p Holm"].tolist() == pytest.approx(holm(found["p"].tolist()))

    def test_joint_test_is_of_chi_square(self, model):
        joint = model.test(np.eye(3)[:2])
        z = model.b[:2]
        chi2 = z @ np.linalg.inv(model.covariance[:2, :2]) @ z
        assert joint.statistic * joint.df1 == pytest.approx(chi2)
        assert joint.p == pytest.approx(stats.chi2.sf(chi2, 2))

    def test_random_effects_are_those_that_the_mixed_model_found(self):
        mixed = factorial.fit_mixed(BALANCED, FACTORS)
        model = factorial.fit_ordinal(BALANCED, FACTORS, mixed)
        assert list(model.sd) == [k for k, v in mixed.variances.items() if v and k != "residual"]

    def test_more_than_eleven_ratings_are_no_categories(self):
        many = changed(BALANCED, rating=np.arange(96) % 12)
        mixed = factorial.fit_mixed(BALANCED, FACTORS)
        with pytest.raises(ValueError, match="12 different ratings are too many"):
            factorial.fit_ordinal(many, FACTORS, mixed)

    def test_one_category_is_refused(self):
        same = changed(BALANCED, rating=3)
        with pytest.raises(
            ValueError, match="all ratings are 3, and an ordinal model needs two categories"
        ):
            ordinal_model(same, ["listener", "pair"])


def effects_of(ratings: Ratings, names: list[str]) -> list[Effect]:
    """Return intercepts, and effects of each cell, of those groupings."""
    cells = pd.get_dummies(ratings.table["cell"]).to_numpy(float)
    return [
        Effect(f"{name} {kind}", ratings.table[name].tolist(), slopes)
        for name in names
        for kind, slopes in (("intercept", np.ones((len(cells), 1))), ("cells", cells))
    ]


@pytest.mark.parametrize("names", [["listener", "pair"], ["pair"], ["listener", "item"]])
class TestCrossed:
    def dense(self, names: list[str]) -> tuple[Crossed, np.ndarray, np.ndarray, np.ndarray]:
        """Return the structure; Z by its definition; weights of rows, roots of columns."""
        crossed = Crossed(effects_of(UNBALANCED, names))
        q, n = len(crossed.owner), len(UNBALANCED.table)
        Z = np.stack([crossed.to_rows(unit) for unit in np.eye(q)], axis=1)
        chance = np.random.default_rng(0)
        return crossed, Z, chance.uniform(0.5, 2, n), chance.uniform(0, 2, 2 * len(names))

    def test_columns_are_slopes_within_groups(self, names):
        crossed, Z, _, _ = self.dense(names)
        for k, effect in enumerate(effects_of(UNBALANCED, names)):
            expected = (effect.matrix() @ effect.matrix().T).toarray()
            part = Z[:, crossed.owner == k]
            assert part @ part.T == pytest.approx(expected)

    def test_blocks_solve_the_dense_equations(self, names):
        crossed, Z, weights, roots = self.dense(names)
        root = roots[crossed.owner]
        H = np.eye(len(root)) + root[:, None] * (Z.T * weights @ Z) * root
        arrow = Arrow(crossed.products(weights), root)
        right = np.random.default_rng(1).standard_normal((len(root), 2))
        assert arrow.solve(right) == pytest.approx(np.linalg.solve(H, right))
        assert arrow.log_det == pytest.approx(np.linalg.slogdet(H)[1])
        inverse = np.linalg.inv(H)
        assert arrow.diagonal == pytest.approx(np.diag(inverse))
        leverage = np.diag((Z * root) @ inverse @ (Z * root).T)
        assert crossed.leverage(arrow) == pytest.approx(leverage)

    def test_sums_over_rows_are_those_of_z(self, names):
        crossed, Z, weights, _ = self.dense(names)
        assert crossed.to_columns(weights) == pytest.approx(Z.T @ weights)


def test_three_groupings_are_refused():
    with pytest.raises(ValueError, match="of 3 groupings; accepted: one or two"):
        Crossed(effects_of(BALANCED, ["listener", "pair", "item"]))


@pytest.mark.parametrize("variance", [0.3, 1e-10], ids=["interior", "at the boundary"])
def test_gradient_of_the_ordinal_model_is_the_slope_of_its_deviance(variance):
    model = ordinal_model(UNBALANCED, ["listener", "listener × transform", "pair"])
    x = np.array([-3.0, 0.5, 0.6, 0.7, -2.0, -0.4, 1.5, 0.6, variance, 1.5])
    value, gradient = model._deviance(x)
    for k, step in enumerate(1e-5 * np.eye(len(x))):
        if x[k] > 1e-9:
            slope = (model._deviance(x + step)[0] - model._deviance(x - step)[0]) / 2e-5
        else:
            ahead = [model._deviance(x + j * step)[0] for j in (1, 2)]
            slope = (4 * ahead[0] - ahead[1] - 3 * value) / 2e-5
        assert gradient[k] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def two_conditions(differences: list[float]) -> Ratings:
    """Return ratings of 3 under "a" and of 3 and a difference under "b", a listener each."""
    rows = [
        row
        for k, difference in enumerate(differences)
        for row in ((f"L{k}", "x", 3.0, "a"), (f"L{k}", "y", 3.0 + difference, "b"))
    ]
    return check(pd.DataFrame(rows, columns=["listener", "item", "rating", "kind"]))


class TestRanks:
    def test_friedman_against_r(self):
        # friedman.test(matrix of the means of listeners under each cell), of BALANCED
        found = ranks.friedman(BALANCED, FACTORS)
        assert (found.n, found.df) == (6, 3)
        assert found.chi2 == pytest.approx(11.6440677966)
        assert found.p == pytest.approx(0.00870742078014)
        concordance = found.W
        assert concordance == pytest.approx(11.6440677966 / 18)

    def test_friedman_against_scipy(self):
        means = ranks.listener_means(UNBALANCED, FACTORS)
        expected = stats.friedmanchisquare(*means.to_numpy().T)
        found = ranks.friedman(UNBALANCED, FACTORS)
        assert found.chi2 == pytest.approx(expected.statistic)
        assert found.p == pytest.approx(expected.pvalue)

    def test_friedman_does_not_see_the_bias_of_listeners(self):
        for seed in range(20):
            values = np.random.default_rng(seed).integers(1, 6, size=96)
            ratings = changed(BALANCED, rating=values)
            found = ranks.friedman(without_bias(ratings), FACTORS)
            assert found.chi2 == pytest.approx(ranks.friedman(ratings, FACTORS).chi2)

    def test_full_concordance_is_one(self):
        own = {"stft max": 1, "stft average": 2, "cqt max": 3, "cqt average": 5}
        alike = changed(BALANCED, rating=BALANCED.table["cell"].map(own))
        concordance = ranks.friedman(alike, FACTORS).W
        assert concordance == pytest.approx(1)

    def test_friedman_needs_three_conditions(self):
        found = ranks.friedman(BALANCED, ["transform"])
        assert found.n == 6
        assert np.isnan([found.chi2, found.p, found.W]).all()

    def test_listener_means_are_in_declared_order(self):
        means = ranks.listener_means(BALANCED, FACTORS)
        assert list(means) == ["stft, max", "stft, average", "cqt, max", "cqt, average"]
        # As aggregate(rating~cell+listener, d, mean) has them in R.
        assert means.loc["L0"].tolist() == [3.5, 4.25, 1.75, 2.0]
        assert means.loc["L5"].tolist() == [3.75, 2.5, 2.25, 1.75]

    def test_wilcoxon_against_r(self):
        # wilcox.test(c(.1,.2,-.3,.4,.5,.6)): V = 18, p = 0.15625, exact
        row = ranks.wilcoxon(two_conditions([0.1, 0.2, -0.3, 0.4, 0.5, 0.6]), ["kind"]).iloc[0]
        assert (row["a"], row["b"], row["n"]) == ("a", "b", 6)
        assert row["W"] == 3
        assert row["p"] == pytest.approx(0.15625)
        assert row["median"] == pytest.approx(0.3)
        assert row["r"] == pytest.approx((18 - 3) / 21)

    def test_wilcoxon_against_scipy(self):
        means = ranks.listener_means(BALANCED, FACTORS)
        found = ranks.wilcoxon(BALANCED, FACTORS)
        assert len(found) == 6
        for row in found.to_dict("records"):
            difference = means[row["b"]] - means[row["a"]]
            expected = stats.wilcoxon(difference[difference != 0])
            assert row["W"] == expected.statistic
            assert row["p"] == pytest.approx(expected.pvalue)
        # V of wilcox.test(W[,j], W[,i], paired=TRUE) in R, ties and all: sums of positive ranks.
        assert found["W"].tolist() == [2.5, 0, 0, 1.5, 4, 21 - 13.5]
        assert found["p Holm"].tolist() == pytest.approx(holm(found["p"].tolist()))

    @pytest.mark.parametrize(("sign", "r"), [(1, 1.0), (-1, -1.0)])
    def test_rank_biserial_at_its_ends(self, sign, r):
        ratings = two_conditions([sign * x for x in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)])
        row = ranks.wilcoxon(ratings, ["kind"]).iloc[0]
        assert (row["r"], row["W"]) == (r, 0)
        # wilcox.test(c(.1,.2,.3,.4,.5,.6,.7)) in R
        assert row["p"] == pytest.approx(0.015625)

    def test_no_difference_at_all(self):
        row = ranks.wilcoxon(two_conditions([0, 0, 0]), ["kind"]).iloc[0]
        assert (row["median"], row["W"], row["p"], row["r"]) == (0, 0, 1, 0)
