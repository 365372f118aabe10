from attnbench.report.label_places import Box, choose_places

PANEL = Box(0, 0, 300, 200)


def overlap(marks, texts, places):
    boxes = [place.box(mark, text) for mark, text, place in zip(marks, texts, places, strict=True)]
    return any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_boxes_overlap_where_they_share_a_point():
    box = Box(0, 0, 10, 10)
    assert box.overlaps(Box(9, 9, 20, 20))
    assert not box.overlaps(Box(10, 0, 20, 10))
    assert box.holds((10, 10))
    assert box.lies_within(box)
    assert not Box(-1, 0, 5, 5).lies_within(box)


def test_a_mark_by_itself_has_its_label_near_by_on_the_upper_right():
    (place,) = choose_places([(100, 100)], ["L50 14.2"], [], PANEL)
    assert place.beside > 0
    assert place.above > 0
    assert not place.is_far
    assert place.alignment == "left"


def test_a_label_at_the_right_edge_goes_to_the_left():
    (place,) = choose_places([(290, 100)], ["L50 31.0"], [], PANEL)
    assert place.alignment == "right"
    assert place.box((290, 100), "L50 31.0").lies_within(PANEL)


def test_a_label_avoids_a_curve():
    curve = [(float(x), 110.0) for x in range(0, 300, 4)]
    (place,) = choose_places([(100, 100)], ["L50 14.2"], curve, PANEL)
    assert not any(place.box((100, 100), "L50 14.2").holds(point) for point in curve)


def test_labels_of_marks_side_by_side_do_not_overlap():
    marks = [(100.0 + 12 * i, 100.0) for i in range(5)]
    texts = [f"L50 1{i}.0" for i in range(5)]
    places = choose_places(marks, texts, [], PANEL)
    assert not overlap(marks, texts, places)
    assert any(place.is_far for place in places)


def test_without_marks_there_is_nothing_to_place():
    assert choose_places([], [], [], PANEL) == []
